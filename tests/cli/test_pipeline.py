"""`icl-mlflow pipeline`: three steps, one link, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.tracking.store.connection import Store
from tests.tiny import OPTIONS

Icl = Callable[..., Any]

FEW = ["--variants", "no_labels", "--seeds", "0", "--analyses", "calibration"]


def test_it_says_what_each_step_gave_and_one_link(store: Store, icl: Icl) -> None:
    done = icl("pipeline", *OPTIONS, *FEW, "--experiment", "tests")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    firsts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert firsts == ["train", "ablate", "analyze", "run", "see", "note"]
    assert done.out.count("http") == 1
    (run_id,) = [line.split()[1] for line in lines if line.startswith("run ")]
    assert store.run_link(run_id) in done.out
    again = icl("pipeline", *OPTIONS, *FEW, "--experiment", "tests")
    assert again.out.count(", done before") == 3
    assert again.err == ""


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
