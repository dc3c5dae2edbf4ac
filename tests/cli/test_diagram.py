"""`icl-mlflow diagram` in a shell: the plan, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Icl = Callable[..., Any]


def test_a_dry_run_names_the_members(new_folder: Path, icl: Icl) -> None:
    options = ["--preset", "smoke", "--pools", "4,8", "--seeds", "0", "--jobs", "1"]
    ended = icl("diagram", *options, "--dry_run")
    assert ended.code == 0, ended.err
    assert "A-baseline-pool4-seed0, A-baseline-pool8-seed0" in ended.out
    assert '"keep_checkpoints": "doubling"' in ended.out
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pools", "4"], "several pools, such as 4,64"),
        (["--pools", "4,x"], "pools must be like 4,64,1024, not '4,x'"),
        (["--pool", "8"], "give pools, not pool or pool_seed"),
        (["--keep_checkpoints", "log"], "leave keep_checkpoints at doubling"),
        (["--episodes", "1"], "episodes must be at least 100"),
        (["--prior", "1.5"], "prior must be"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    ended = icl("diagram", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert message in line
    assert list(new_folder.iterdir()) == []
