"""What one training leaves in MLflow, and that it can be read back."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import torch

from icl_mlflow import TrainSettings, load_model, train
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.evaluation import predict, scores
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import NonFiniteLossError, evaluation_episodes
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
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "episodes-B"


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
