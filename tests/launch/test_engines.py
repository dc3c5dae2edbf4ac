"""Whatever engine trains a member, its run ends alike: numbers, status and model."""

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from mlflow.entities import Run

from icl_mlflow.launch.member import train_member
from icl_mlflow.launch.members import train_members
from icl_mlflow.launch.train import train_seeds
from icl_mlflow.suite import grid
from icl_mlflow.tracking.models import load_model
from icl_mlflow.tracking.run import open_run
from icl_mlflow.tracking.store import Store
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset(
    "smoke", train_episodes=512, val_episodes=128, test_episodes=128, threads=1
)
#: Two of one shape and one of another, which trains beside them.
VARIANTS = ("baseline", "frozen_query_key", "no_labels")
#: What tells one run from another, and the moment and the program that made it.
OWN = ("mlflow.parentRunId", "mlflow.source.name")

ON_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")


def described(store: Store, run: Run) -> dict[str, Any]:
    """Everything of a run that is neither a time nor an id nor a measured number."""
    (output,) = run.outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    (version,) = store.client.search_model_versions(f"run_id='{run.info.run_id}'")
    tags = run.data.tags
    folders = ("", "figures", "tables")
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "params": run.data.params,
        "tags": {k: v for k, v in tags.items() if k not in OWN},
        "metrics": set(run.data.metrics),
        "datasets": [
            entry.dataset.to_dictionary() for entry in run.inputs.dataset_inputs
        ],
        "artifacts": [
            file.path
            for folder in folders
            for file in store.client.list_artifacts(run.info.run_id, folder or None)
        ],
        "model": (model.name, model.status, set(model.tags), model.params),
        "version": (version.name, set(version.tags), version.tags["settings_hash"]),
    }


def numbers(store: Store, run: Run) -> dict[tuple[str, int], float]:
    """Every logged metric by name and step, but the one that is a time."""
    return {
        (name, point.step): point.value
        for name in run.data.metrics
        if name != "episodes_per_second"
        for point in store.client.get_metric_history(run.info.run_id, name)
    }


@pytest.mark.parametrize(
    ("engine", "within"),
    [
        ("processes", 0.0),
        pytest.param("stacked", 1e-5, id="stacked"),
        pytest.param("ray", 0.0, marks=ON_RAY),
    ],
)
def test_a_member_ends_as_a_single_training_does(
    store: Store, engine: str, within: float
) -> None:
    members = grid(SETTINGS, VARIANTS, (0,))
    heard: list[int] = []
    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        outcomes = train_members(
            store, members, log.run_id, engine=engine, on_epoch=lambda: heard.append(1)
        )
    assert len(heard) == len(members) * SETTINGS.epochs
    for member, outcome in zip(members, outcomes, strict=True):
        assert outcome.error is None
        assert outcome.value is not None
        alone = train_member(store, member)
        ours, single = (
            store.client.get_run(run_id)
            for run_id in (outcome.value.run_id, alone.run_id)
        )
        assert described(store, ours) == described(store, single)
        assert ours.data.tags["mlflow.parentRunId"] == log.run_id
        assert numbers(store, ours) == pytest.approx(
            numbers(store, single), rel=0, abs=within
        )
        assert outcome.value.test == pytest.approx(alone.test, rel=0, abs=within)
        trained = load_model(outcome.value.run_id).model.state_dict()
        for name, value in load_model(alone.run_id).model.state_dict().items():
            if within == 0:
                assert torch.equal(value, trained[name])


def test_ray_that_is_not_installed_is_one_line_and_no_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'icl-mlflow\[ray\]'"):
        train_seeds(store, SETTINGS, (0, 1), engine="ray")
    assert store.client.search_runs([store.experiment_id]) == []


@ON_RAY
def test_a_cluster_that_does_not_answer_is_one_line_and_no_run(store: Store) -> None:
    with pytest.raises(ValueError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        train_seeds(store, SETTINGS, (0, 1), engine="ray", ray_address="127.0.0.1:1")
    assert store.client.search_runs([store.experiment_id]) == []
