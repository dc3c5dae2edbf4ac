"""`train` as a function: keywords and settings make the same run."""

from dataclasses import replace
from typing import Any

import pytest

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store
from tests.tiny import MOMENT

#: A training of a moment.
SMOKE: dict[str, Any] = {"preset": "smoke", **MOMENT}


def test_keywords_and_settings_make_the_same_run(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    del store
    heard: list[tuple[str, int]] = []
    run = icl.train(
        task="B",
        sigma_max=4,
        seed=2,
        on_epoch=lambda name, epoch: heard.append((name, epoch.epoch)),
        **SMOKE,
    )
    shown = capsys.readouterr().err
    assert heard == [("B-baseline-seed2", 0), ("B-baseline-seed2", 1)]
    assert "B-baseline-seed2: epoch 2 of 2, train loss" in shown
    assert run.task.dim == 4
    assert list(run.history.index) == [0, 1]
    loaded = icl.load_model(run)
    assert loaded.settings == run.settings
    assert loaded.task == run.task

    again = icl.train(replace(run.settings, seed=9), seed=2, quiet=True, resume="never")
    assert again.settings == run.settings
    assert again.test == run.test
    assert capsys.readouterr().err == ""
