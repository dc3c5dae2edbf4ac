"""Whatever engine trains a member, its run ends alike: numbers, status and model."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow.entities import Run
from torch import Tensor

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import grid
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.request import several_seeds
from icl_mlflow.suite.run_suite import train_members
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset(
    "smoke", train_episodes=512, val_episodes=128, test_episodes=128, threads=1
)
#: Two of one shape and one of another, which trains beside them.
MEMBERS = grid(SETTINGS, ("baseline", "frozen_query_key", "no_labels"), (0,))
#: What tells one run from another: its suite, the program, what was edited meanwhile.
OWN = (
    *("mlflow.parentRunId", "mlflow.source.name"),
    *("mlflow.source.git.commit", "git_dirty", "heartbeat"),
)

ON_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")


@dataclass(frozen=True)
class Found:
    """What a member left behind.

    Attributes:
        described: everything that is neither a time nor an id nor a measured number.
        numbers: every logged metric by name and step, but the one that is a time.
        weights: of the registered model.
    """

    described: dict[str, Any]
    numbers: dict[tuple[str, int], float]
    weights: dict[str, Tensor]


def found(store: Store, run_id: str) -> Found:
    run = store.client.get_run(run_id)
    numbers = {
        (name, point.step): point.value
        for name in run.data.metrics
        if name != "episodes_per_second"
        for point in store.client.get_metric_history(run_id, name)
    }
    weights = load_model(run_id, store.client).model.state_dict()
    return Found(described(store, run), numbers, weights)


def described(store: Store, run: Run) -> dict[str, Any]:
    (output,) = run.outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    (version,) = store.client.search_model_versions(f"run_id='{run.info.run_id}'")
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "params": run.data.params,
        "tags": {
            # A member's description has one link more, to its suite.
            k: re.sub(r" · \[the suite\]\(\S+\)", "", v)
            for k, v in run.data.tags.items()
            if k not in OWN
        },
        "metrics": set(run.data.metrics),
        "datasets": [
            (entry.dataset.name, entry.dataset.digest, str(entry.tags))
            for entry in run.inputs.dataset_inputs
        ],
        "artifacts": [
            file.path
            for folder in ("", "figures", "tables")
            for file in store.client.list_artifacts(run.info.run_id, folder or None)
        ],
        "model": (model.name, model.status, set(model.tags), model.params),
        "version": (version.name, set(version.tags)),
    }


@pytest.fixture(scope="module")
def alone(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Found]]:
    """What a single training of each member leaves behind."""
    folder = tmp_path_factory.mktemp("alone")
    database = shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        store = connect("tests")
        yield [found(store, train_member(store, member).run_id) for member in MEMBERS]


@pytest.mark.parametrize(
    ("engine", "within"),
    [
        ("processes", 0.0),
        ("stacked", 1e-5),
        pytest.param("ray", 0.0, marks=[ON_RAY, pytest.mark.slow]),
    ],
)
def test_a_member_ends_as_a_single_training_does(
    alone: list[Found], store: Store, engine: str, within: float
) -> None:
    heard: list[str] = []
    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        outcomes = train_members(
            store,
            MEMBERS,
            log.run_id,
            execution=Execution(engine=engine),
            on_epoch=lambda name, _epoch: heard.append(name),
        )
    assert len(heard) == len(MEMBERS) * SETTINGS.epochs
    for outcome, single in zip(outcomes, alone, strict=True):
        assert outcome.error is None
        assert outcome.value is not None
        run_id = outcome.value.run_id
        ours = found(store, run_id)
        assert ours.described == single.described
        assert ours.numbers == pytest.approx(single.numbers, rel=0, abs=within)
        for name, value in single.weights.items():
            assert within or torch.equal(value, ours.weights[name])
        tags = store.client.get_run(run_id).data.tags
        assert tags["mlflow.parentRunId"] == log.run_id


def test_ray_that_is_not_installed_is_one_line_and_no_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'icl-mlflow\[ray\]'"):
        several_seeds(SETTINGS, (0, 1), Execution(engine="ray"))
    assert store.client.search_runs([store.experiment_id]) == []


@ON_RAY
def test_a_cluster_that_does_not_answer_is_one_line_and_no_run(store: Store) -> None:
    place = "127.0.0.1:1"
    with pytest.raises(ValueError, match=f"no Ray cluster answers at {place}"):
        several_seeds(SETTINGS, (0, 1), Execution(engine="ray", ray_address=place))
    assert store.client.search_runs([store.experiment_id]) == []
