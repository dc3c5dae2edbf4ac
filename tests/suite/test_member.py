"""What one training leaves in MLflow, and that it can be read back."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow.entities import LoggedModel

from icl_mlflow import TrainSettings, load_model, train
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.evaluation import predict, scores
from icl_mlflow.suite.engines.stack import train_stack
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.datasets import evaluation_dataset, training_dataset
from icl_mlflow.training.fit import Epoch, NonFiniteLossError, evaluation_episodes
from icl_mlflow.training.problem import problem
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", task="B", seed=4, **MOMENT)


@pytest.fixture
def trained(store: Store) -> TrainingResult:
    del store  # known by the environment, as for anybody who calls the API
    return train(SETTINGS, experiment="tests")


def text(store: Store, run_id: str, path: str, folder: Path) -> str:
    local = store.client.download_artifacts(run_id, path, str(folder))
    return Path(local).read_text(encoding="utf-8")


def test_a_run_says_what_it_is(store: Store, trained: TrainingResult) -> None:
    run = store.client.get_run(trained.run_id)
    assert run.info.run_name == "B-baseline-seed4"
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert {k: tags[k] for k in ("kind", "task", "variant", "seed")} == {
        "kind": "train",
        "task": "B",
        "variant": "baseline",
        "seed": "4",
    }
    assert tags["settings_hash"] == SETTINGS.identity
    assert tags["device"] == "cpu"
    assert "What does the full model reach?" in tags["mlflow.note.content"]
    assert run.data.params["sigma_min"] == "0.5"
    assert "tau" not in run.data.params
    note = tags["mlflow.note.content"]
    assert f"{trained.test['test/accuracy']:.4f} accuracy on 64 test episodes" in note
    assert f"[{trained.model_uri}](http://127.0.0.1:5000/#/models/" in note
    assert "heartbeat" not in tags  # nobody has it any more


def test_metrics_come_epoch_by_epoch_and_once(
    store: Store, trained: TrainingResult
) -> None:
    for name in (
        "train/loss",
        "train/accuracy",
        "val/loss",
        "val/accuracy",
        "val/excess_risk",
        "lr",
        "grad_norm",
        "episodes_per_second",
    ):
        logged = store.client.get_metric_history(trained.run_id, name)
        assert [(m.step, m.value) for m in logged] == [
            (epoch.epoch, epoch.metrics[name]) for epoch in trained.epochs
        ]
    run = store.client.get_run(trained.run_id)
    for name in ("loss", "accuracy", "excess_risk", "auc", "brier", "ece"):
        assert run.data.metrics[f"test/{name}"] == trained.test[f"test/{name}"]


def test_artifacts_can_be_read_back(
    store: Store, trained: TrainingResult, tmp_path: Path
) -> None:
    settings = json.loads(text(store, trained.run_id, "settings.json", tmp_path))
    assert TrainSettings(**settings) == SETTINGS
    history = pd.read_csv(
        StringIO(text(store, trained.run_id, "history.csv", tmp_path))
    )
    last = trained.history["val/excess_risk"].iloc[-1]
    assert history["val/excess_risk"].iloc[-1] == last
    assert "best epoch" in text(store, trained.run_id, "train.log", tmp_path)
    figures = {f.path for f in store.client.list_artifacts(trained.run_id, "figures")}
    assert figures == {
        "figures/learning_curves.png",
        "figures/logit_vs_llr.png",
        "figures/reliability.png",
    }


def test_the_models_page_can_rank_by_test_metrics(
    store: Store, trained: TrainingResult
) -> None:
    (output,) = store.client.get_run(trained.run_id).outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    assert {m.key: m.value for m in model.metrics} == trained.test
    assert model.name == "B-baseline-seed4"
    test_set = evaluation_dataset(SETTINGS, "test")
    assert {(m.dataset_name, m.dataset_digest) for m in model.metrics} == {test_set.key}
    inputs = store.client.get_run(trained.run_id).inputs.dataset_inputs
    recorded = {(i.dataset.name, i.dataset.digest) for i in inputs}
    others = training_dataset(SETTINGS), evaluation_dataset(SETTINGS, "validation")
    assert recorded == {test_set.key, *(other.key for other in others)}


def test_the_registered_model_is_the_one_that_was_tested(
    trained: TrainingResult,
) -> None:
    model = load_model(trained.model_uri).model
    truth = evaluation_episodes(SETTINGS, problem(SETTINGS), "test")
    again = scores(predict(model, truth.seen), truth)
    assert again["excess_risk"] == pytest.approx(
        trained.test["test/excess_risk"], abs=1e-9
    )
    by_run = load_model(trained.run_id).model
    for name, value in model.state_dict().items():
        assert torch.equal(value, by_run.state_dict()[name])


def test_a_diverged_run_leaves_nothing_to_go_on_with(
    store: Store, new_folder: Path
) -> None:
    diverging = replace(SETTINGS, lr=1e30, clip_norm=1e30)
    for _ in range(2):
        with pytest.raises(NonFiniteLossError):
            train(diverging, experiment="tests")
    assert not (new_folder / ".icl_mlflow").exists()
    runs = store.client.search_runs([store.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED", "FAILED"]


def test_a_run_that_an_error_has_ended_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a figure that cannot be drawn")

    with monkeypatch.context() as patch:
        patch.setattr(learning_curves, "draw", fail)
        with pytest.raises(RuntimeError):
            train(SETTINGS, experiment="tests")
    (failed,) = store.client.search_runs([store.experiment_id])
    assert failed.info.status == "FAILED"
    assert train(SETTINGS, experiment="tests").run_id == failed.info.run_id
    anew = train(SETTINGS, experiment="tests")
    assert anew.run_id != failed.info.run_id


LOGGED = replace(SETTINGS, keep_checkpoints="log", epochs=3)


def checkpoints(store: Store, run_id: str) -> list[LoggedModel]:
    """Of a run, in the order of their steps; every step once."""
    run = store.client.get_run(run_id)
    outputs = sorted(run.outputs.model_outputs, key=lambda output: output.step)
    models = [store.client.get_logged_model(output.model_id) for output in outputs]
    found = [model for model in models if "checkpoint_epoch" in model.tags]
    steps = [o.step for o, m in zip(outputs, models, strict=True) if m in found]
    assert steps == [int(model.tags["checkpoint_epoch"]) for model in found]
    assert steps == list(range(len(found)))
    return found


def test_every_epoch_is_a_model_if_that_is_asked(store: Store) -> None:
    trained = train(LOGGED, experiment="tests")
    found = checkpoints(store, trained.run_id)
    assert [model.name for model in found] == [
        f"B-baseline-seed4-epoch{epoch}" for epoch in range(3)
    ]
    for model, epoch in zip(found, trained.epochs, strict=True):
        measured = {metric.key: metric.value for metric in model.metrics}
        assert measured == epoch.metrics
        assert {metric.step for metric in model.metrics} == {epoch.epoch}
        points = store.client.get_metric_history(trained.run_id, "val/loss")
        assert [point.step for point in points] == [0, 1, 2], "the run has each once"
    assert trained.best_epoch is not None
    result, best = load_model(trained.run_id), found[trained.best_epoch]
    assert load_model(f"models:/{best.model_id}").sha256 == result.sha256
    assert len({model.tags["sha256"] for model in found}) == 3
    assert LOGGED.identity == replace(LOGGED, keep_checkpoints="local").identity


@pytest.mark.parametrize("cut", ["before its weights", "in an epoch"])
def test_no_checkpoint_comes_twice_or_is_lost_when_training_goes_on(
    store: Store, cut: str
) -> None:
    steps = iter(range(1_000))

    def cut_in_an_epoch() -> None:
        if cut == "in an epoch" and next(steps) == LOGGED.steps_per_epoch * 2 + 1:
            raise KeyboardInterrupt

    def cut_after_metrics(epoch: Epoch) -> None:
        if cut == "before its weights" and epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(store, LOGGED, on_step=cut_in_an_epoch, on_epoch=cut_after_metrics)
    resumed = train_member(store, LOGGED)
    assert len(store.client.search_runs([store.experiment_id])) == 1
    found = checkpoints(store, resumed.run_id)
    assert len(found) == 3
    for model, epoch in zip(found, resumed.epochs, strict=True):
        assert {m.key: m.value for m in model.metrics} == epoch.metrics
        assert len(model.metrics) == len(epoch.metrics)
    for key in ("val/loss", "train/loss", "episodes_per_second"):
        points = store.client.get_metric_history(resumed.run_id, key)
        assert [point.step for point in points] == [0, 1, 2]


def test_members_of_a_stack_log_their_checkpoints_too(store: Store) -> None:
    members = [replace(LOGGED, seed=seed, threads=1) for seed in (0, 1)]
    with open_run(
        store, name="s", kind="suite", params={}, tags={}, description=""
    ) as log:
        outcomes = train_stack(store, members, parent_run_id=log.run_id)
    for outcome in outcomes:
        assert outcome.value is not None, outcome.error
        found = checkpoints(store, outcome.value.run_id)
        best = found[outcome.value.best_epoch or 0]
        result = load_model(outcome.value.run_id)
        assert load_model(f"models:/{best.model_id}").sha256 == result.sha256
