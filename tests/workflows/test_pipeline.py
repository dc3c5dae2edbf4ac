"""The three steps in one run, and what is done again when it is repeated."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import Request, several_variants
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows import pipeline as workflow
from icl_mlflow.workflows.pipeline import Step, open_pipeline
from icl_mlflow.workflows.settings import PipelineSettings
from icl_mlflow.workflows.train import Listener
from tests.tiny import MOMENT


def request(**given: Any) -> Request:
    settings = TrainSettings.preset("smoke", **MOMENT, **given)
    # The baseline alone is compared with nothing, and needs no second training.
    return several_variants(settings, "baseline", (0,), Execution(jobs=1))


def carry_out(
    store: Store, analyses: str = "calibration", **given: Any
) -> tuple[str, list[Step]]:
    """The run of a pipeline, and its steps."""
    chosen = PipelineSettings(variants="baseline", seeds="0", analyses=analyses)
    with open_pipeline(store, request(**given), chosen) as opened:
        steps = [
            opened.trained_before() or opened.train(Listener()),
            opened.ablated_before() or opened.ablate(opened.suite),
            opened.analyzed_before() or opened.analyze(opened.analysis),
        ]
    return opened.run_id, steps


def below(store: Store, run_id: str) -> dict[str, str]:
    """Run id to kind of the runs below one."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
    runs = store.client.search_runs([store.experiment_id], query)
    return {run.info.run_id: run.data.tags["kind"] for run in runs}


def test_each_step_is_a_run_below_and_is_not_done_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, done = carry_out(store)
    assert [step.name for step in done] == ["train", "ablate", "analyze"]
    assert not any(step.is_reused for step in done)
    train, ablate, analyze = (step.run_id for step in done)
    assert below(store, first) == {
        train: "train",
        ablate: "suite",
        analyze: "analysis",
    }
    run = store.client.get_run(first)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "A-pipeline")
    trained = store.client.get_run(train).data.metrics
    assert run.data.metrics["test/excess_risk"] == trained["test/excess_risk"]
    for step in done:
        assert store.run_link(step.run_id) in run.data.tags[MLFLOW_RUN_NOTE]
    assert done[1].answers[0].startswith("baseline: ")
    asked = {answer.partition(":")[0] for answer in done[2].answers}
    assert asked == {"learning_curves", "calibration"}

    second, again = carry_out(store)
    assert all(step.is_reused for step in again)
    assert [s.run_id for s in again] == [train, ablate, analyze]
    assert [s.answers for s in again] == [s.answers for s in done]
    assert below(store, second) == {}
    listed = store.client.download_artifacts(second, "steps.json", str(tmp_path))
    noted = json.loads(Path(listed).read_text())
    assert [one["run_id"] for one in noted] == [train, ablate, analyze]
    assert store.client.get_run(second).data.metrics == run.data.metrics

    _, other = carry_out(store, analyses="llr_regression")
    assert [step.is_reused for step in other] == [True, True, False]

    store.client.delete_run(ablate)
    third, repeated = carry_out(store)
    assert [step.is_reused for step in repeated] == [True, False, True]
    assert below(store, third) == {repeated[1].run_id: "suite"}

    # Other code may answer otherwise; the trainings know by themselves.
    monkeypatch.setattr(workflow, "code_digest", lambda: "changed")
    _, changed = carry_out(store)
    assert [step.is_reused for step in changed] == [True, False, False]

    _, other = carry_out(store, lr=1e-2)
    assert not any(step.is_reused for step in other)
