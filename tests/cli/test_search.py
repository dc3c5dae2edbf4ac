"""`icl-mlflow search` in a shell: the plan, the answer, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs the extra search")

from icl_mlflow.tracking.store.connection import Store
from tests.tiny import OPTIONS

Icl = Callable[..., Any]


def test_the_best_trial_and_its_command_are_named(store: Store, icl: Icl) -> None:
    space = ("--space", "lr=1e-3:1e-2", "--space", "batch_size=64")
    ended = icl("search", *OPTIONS, "--trials", "1", *space)
    assert ended.code == 0, ended.err
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert lines["best"].startswith("trial 0: lr=0.00")
    assert lines["model"] == "models:/icl-A-baseline/1"
    assert lines["again"].startswith("icl-mlflow train ")
    assert store.client.get_run(lines["parent"]).data.tags["kind"] == "search"
    assert ended.err.startswith("trial 0 of 1: lr=0.00")


def test_a_dry_run_says_what_would_be_looked_for(new_folder: Path, icl: Icl) -> None:
    ended = icl("search", "--preset", "smoke", "--dry_run")
    assert ended.code == 0
    assert "trials   50" in ended.out
    assert "space    lr=0.0001:0.01;warmup=0.05:0.5;beta2=0.9,0.95," in ended.out
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "lr"], "a grid is like"),
        (["--space", "lr_=1:2"], "did you mean"),
        (["--space", "lr=2:1"], "must rise"),
        (["--trials", "0"], "trials must be at least 1"),
        (["--epochs", "0"], "at least one epoch"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    ended = icl("search", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert message in line
    assert list(new_folder.iterdir()) == []
