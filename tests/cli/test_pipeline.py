"""`icl-mlflow pipeline`: what it plans and what it refuses.

What it does is in tests/workflows/test_pipeline.py, and as the main entry point of the
project in tests/entrypoints/test_main.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Icl = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "no_lables"], "did you mean no_labels"),
        (["--seeds", "9-0"], "seeds"),
        (["--analyses", "calibraton"], "did you mean calibration"),
        (["--preset", "smok"], "did you mean smoke"),
        (["--resume", "0" * 32], "names one run, but many are trained"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_run_exists(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    ended = icl("pipeline", *arguments)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert message in line
    assert list(new_folder.iterdir()) == []


def test_a_dry_run_names_the_members_and_does_nothing(
    new_folder: Path, icl: Icl
) -> None:
    ended = icl("pipeline", "--variants", "no_labels", "--seeds", "4", "--dry_run")
    assert ended.code == 0
    assert "members      A-baseline-seed4, A-no_labels-seed4" in ended.out
    assert list(new_folder.iterdir()) == []
