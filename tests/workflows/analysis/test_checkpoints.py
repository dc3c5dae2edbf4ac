"""Logged checkpoints are analyzed: one by its id, or all of a run by epoch."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from icl_mlflow import AnalyzeSettings, TrainSettings, analyze
from icl_mlflow.suite.member import train_member
from icl_mlflow.tracking.models.lookup import checkpoints_of_run, load_model
from icl_mlflow.tracking.models.sources import pull, pull_checkpoints
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store, connect
from tests.conftest import TrainedRuns, forget_environment
from tests.tiny import MOMENT
from tests.workflows.figures.redrawn import assert_drawn_as_logged

SETTINGS = TrainSettings.preset("smoke", keep_checkpoints="log", **MOMENT)
FEW = {"episodes": 200, "device": "cpu", "quiet": True}


@pytest.fixture(scope="module")
def logged(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, str]]:
    """A store with a training of two epochs, and the id of its run."""
    folder = tmp_path_factory.mktemp("logged")
    database = shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        store = connect("tests")
        yield store, train_member(store, SETTINGS).run_id


def test_a_checkpoint_is_analyzed_by_its_id(logged: tuple[Store, str]) -> None:
    store, run_id = logged
    first, last = checkpoints_of_run(store.client, store.client.get_run(run_id))
    assert (first.epoch, last.epoch) == (0, 1)
    analyzed = analyze(first.reference, ["calibration"], **FEW)
    run = store.client.get_run(analyzed.run_id)
    assert run.data.tags["source_models"] == first.reference
    (model,) = analyzed.frames["calibration"]["model"].unique()
    assert model == "A-baseline-seed0-epoch0"
    assert "learning_curves" not in analyzed.frames, "that is of the whole training"


def test_all_checkpoints_of_a_run_are_drawn_against_the_epoch(
    logged: tuple[Store, str], tmp_path: Path
) -> None:
    store, run_id = logged
    analyzed = analyze(run_id, ["calibration"], checkpoints=True, **FEW)
    run = store.client.get_run(analyzed.run_id)
    (name,) = run.data.metrics
    points = store.client.get_metric_history(analyzed.run_id, name)
    assert [point.step for point in points] == [0, 1]
    assert_drawn_as_logged(EndedRun.of(store.client, analyzed.run_id))
    frame = analyzed.frames["calibration"]
    assert frame["epoch"].tolist() == [0, 1]
    number = name.removeprefix("calibration/")
    assert frame[number].tolist() == [point.value for point in points]
    assert analyzed.verdicts["calibration"].endswith(" After epoch 1.")
    table = store.client.download_artifacts(
        analyzed.run_id, "tables/calibration.csv", str(tmp_path)
    )
    assert pd.read_csv(table)["epoch"].tolist() == [0, 1]
    figures = [f.path for f in store.client.list_artifacts(analyzed.run_id, "figures")]
    assert figures == ["figures/calibration.png"]
    report = store.client.download_artifacts(analyzed.run_id, "report.html")
    assert "A-baseline-seed0, 2 checkpoints" in Path(report).read_text(encoding="utf-8")


def test_a_training_can_be_followed_while_it_runs(logged: tuple[Store, str]) -> None:
    store, run_id = logged
    store.client.update_run(run_id, status="RUNNING")
    try:
        pulled = pull_checkpoints(store.client, run_id)
        assert [model.stored.epoch for model in pulled.models] == [0, 1]
        one = pulled.models[1].stored.reference
        assert pull(store.client, one).models[0].sha256 == load_model(one).sha256
        with pytest.raises(ValueError, match="still running"):
            pull(store.client, run_id)
    finally:
        store.client.set_terminated(run_id)


def test_a_run_without_checkpoints_says_how_to_have_them(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    del trained_store
    for run_id in (trained_runs.task_b, trained_runs.baseline):
        with pytest.raises(ValueError, match="no checkpoints in the store; train with"):
            analyze(run_id, checkpoints=True)


def test_checkpoints_are_those_of_a_run() -> None:
    with pytest.raises(ValueError, match="give its run_id"):
        AnalyzeSettings(model="models:/icl-A-baseline/1", checkpoints=True)
