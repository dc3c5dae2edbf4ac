"""An analysis is a run of its own, and its numbers are those of its models."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow import AnalyzeSettings, analyze
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.workflows.analyze import AnalysisResult

FEW = {"episodes": 200, "analyses": "calibration,ov_alignment", "device": "cpu"}


@dataclass(frozen=True)
class Done:
    """An analysis of both seeds of the baseline, and how their runs were before."""

    analyzed: AnalysisResult
    store: Store
    before: Mapping[str, object]

    def read(self, path: str) -> Path:
        """An artifact of the analysis."""
        found = self.store.client.download_artifacts(self.analyzed.run_id, path)
        return Path(found)


@pytest.fixture(scope="module")
def done(trained_runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    database = tmp_path_factory.mktemp("analyzed") / "mlflow.db"
    shutil.copy(trained_runs.database, database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        store = connect("trained")
        sources = (trained_runs.baseline, *trained_runs.baseline_seeds)
        before = {run_id: state(store, run_id) for run_id in sources}
        settings = AnalyzeSettings(run_id=trained_runs.baseline, **FEW)
        yield Done(analyze(settings), store, before)


def state(store: Store, run_id: str) -> object:
    """Everything that MLflow knows of a run, its link to an analysis aside."""
    run = store.client.get_run(run_id)
    tags = {k: v for k, v in run.data.tags.items() if k != "analysis_run_id"}
    files = sorted(file.path for file in store.client.list_artifacts(run_id))
    data = run.data.params, run.data.metrics
    return run.info.status, run.info.end_time, tags, data, files


def test_the_results_are_a_run_linked_both_ways(done: Done, trained_runs: Any) -> None:
    parent, seeds = trained_runs.baseline, trained_runs.baseline_seeds
    run = done.store.client.get_run(done.analyzed.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "A-baseline-seeds0,1-analysis"
    assert run.info.experiment_id == done.store.experiment_id
    assert run.data.tags["kind"] == "analysis"
    assert run.data.tags["source_run_id"] == parent
    assert run.data.tags["source_run_ids"] == ",".join(seeds)
    description = run.data.tags["mlflow.note.content"]
    assert f"({done.store.run_link(parent)})" in description
    assert all(verdict in description for verdict in done.analyzed.verdicts.values())
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["episodes-A"]
    # The source is as it was, but for the one tag; its children have not even that.
    assert {run_id: state(done.store, run_id) for run_id in done.before} == done.before
    tags = [done.store.client.get_run(run_id).data.tags for run_id in done.before]
    links = [each.get("analysis_run_id") for each in tags]
    assert links == [done.analyzed.run_id, None, None]


@pytest.mark.usefixtures("trained_store")
def test_numbers_are_means_over_the_models_with_their_range(
    done: Done, trained_runs: Any
) -> None:
    alone = [
        analyze(AnalyzeSettings(run_id=run_id, **FEW))
        for run_id in trained_runs.baseline_seeds
    ]
    found = done.analyzed.numbers
    key = "ov_alignment/largest"
    values = [one.numbers[key] for one in alone]
    assert found[key] == pytest.approx(sum(values) / 2)
    assert found[f"{key}/low"] == pytest.approx(min(values))
    assert found[f"{key}/high"] == pytest.approx(max(values))
    run = done.store.client.get_run(done.analyzed.run_id)
    assert {key, "calibration/ece_model"} <= run.data.metrics.keys() <= found.keys()
    assert all(found[k] == pytest.approx(v) for k, v in run.data.metrics.items())
    both = pd.concat([one.frames["calibration"] for one in alone])
    together = done.analyzed.frames["calibration"]
    pd.testing.assert_frame_equal(together, both.reset_index(drop=True))


def test_tables_figures_and_report_are_among_the_artifacts(done: Done) -> None:
    names = {"calibration", "ov_alignment", "learning_curves"}
    for name in names:
        table = pd.read_csv(done.read(f"tables/{name}.csv"))
        assert list(table["model"].unique()) == ["A-baseline-seed0", "A-baseline-seed1"]
        assert len(table) == len(done.analyzed.frames[name])
    figures = done.store.client.list_artifacts(done.analyzed.run_id, "figures")
    assert {Path(file.path).stem for file in figures} == names
    numbers = pd.read_csv(done.read("tables/numbers.csv"))
    row = numbers.set_index(["analysis", "number"]).loc[("calibration", "ece_model")]
    expected = done.analyzed.numbers["calibration/ece_model"]
    assert row["mean"] == pytest.approx(expected)
    report = done.read("report.html").read_text()
    assert "A-baseline, 2 seeds" in report
    assert "200 episodes of task A (dim = 4, tau = 3, separation = 1)" in report


def test_the_settings_that_are_kept_ask_the_same_again(
    done: Done, trained_runs: Any
) -> None:
    kept = AnalyzeSettings(**json.loads(done.read("settings.json").read_text()))
    assert kept == AnalyzeSettings(run_id=trained_runs.baseline, **FEW)


def test_the_learning_curve_is_what_training_logged(
    done: Done, trained_runs: Any
) -> None:
    curves = done.analyzed.frames["learning_curves"]
    for seed, run_id in enumerate(trained_runs.baseline_seeds):
        logged = done.store.client.get_metric_history(run_id, "val/loss")
        shown = curves.loc[curves["seed"] == seed, "val/loss"]
        assert list(shown) == [point.value for point in logged]


@pytest.mark.usefixtures("trained_store")
def test_a_registered_model_is_found_by_its_alias() -> None:
    best = analyze(AnalyzeSettings(model="models:/icl-A-baseline@best", **FEW))
    (name,) = best.frames["calibration"]["model"].unique()
    assert name == load_model("models:/icl-A-baseline@best").settings.run_name


def test_a_shift_changes_the_episodes_and_is_named(
    done: Done, trained_runs: Any, trained_store: Store
) -> None:
    settings = AnalyzeSettings(run_id=trained_runs.baseline, tau=9, **FEW)
    shifted = analyze(settings)
    run = trained_store.client.get_run(shifted.run_id)
    assert run.info.run_name == "A-baseline-seeds0,1-analysis-tau9"
    assert run.data.params["tau"] == "9.0"
    path = trained_store.client.download_artifacts(shifted.run_id, "report.html")
    assert "tau = 9, separation = 1; tau was 3 in training" in Path(path).read_text()
    key = "calibration/ece_model"
    assert shifted.numbers[key] != done.analyzed.numbers[key]


@pytest.mark.usefixtures("trained_store")
def test_models_in_processes_of_their_own_answer_the_same(
    done: Done, trained_runs: Any
) -> None:
    settings = AnalyzeSettings(run_id=trained_runs.baseline, jobs=2, **FEW)
    assert analyze(settings).numbers == pytest.approx(done.analyzed.numbers, rel=1e-5)


def test_mlflow_run_asks_every_question_that_applies(
    trained_runs: Any, trained_store: Store
) -> None:
    root, programs = Path(__file__).parents[2], Path(sys.executable).parent
    command = [sys.executable, "-m", "mlflow", "run", str(root), "-e", "analyze"]
    command += ["--env-manager", "local", "-P", "episodes=100"]
    command += ["-P", f"run_id={trained_runs.no_labels_seeds[0]}"]
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    client = trained_store.client
    source = client.get_run(trained_runs.no_labels_seeds[0])
    run = client.get_run(source.data.tags["analysis_run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "A-no_labels-seed0-analysis"
    report = Path(client.download_artifacts(run.info.run_id, "report.html")).read_text()
    assert "<code>ov_alignment</code>: " in report
    assert 'id="logit_lens"' in report
    # `mlflow run` opened the run; there is no second one.
    everywhere = [e.experiment_id for e in client.search_experiments()]
    assert len(client.search_runs(everywhere, "tags.kind = 'analysis'")) == 1
