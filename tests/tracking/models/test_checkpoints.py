"""A checkpoint is a model of its run, stored once, with the metrics of its epoch."""

from dataclasses import replace
from pathlib import Path

import pytest

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.models.checkpoints import (
    checkpoint_name,
    is_checkpoint_stored,
    store_checkpoint,
)
from icl_mlflow.tracking.models.lookup import find_model, load_model
from icl_mlflow.tracking.models.packaging import packaged
from icl_mlflow.tracking.models.registration import register
from icl_mlflow.tracking.outbox.records import CheckpointModel, ModelVersion
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

NOW = 1_700_000_000_000  # ms


@pytest.fixture
def kept(
    model: Transformer, settings: TrainSettings, tmp_path: Path
) -> tuple[Path, CheckpointModel]:
    """A package, and the record of the weights after epoch 2."""
    folder, facts = packaged(tmp_path, "0" * 32, model, settings)
    record = CheckpointModel(
        name=checkpoint_name("A-baseline-seed0", 2),
        step=2,
        sha256=facts["sha256"],
        files={},
        params={"dim": "3"},
        facts={**facts, "checkpoint_epoch": "2"},
        points=(("val/loss", 0.5, NOW, 2), ("val/accuracy", 0.75, NOW, 2)),
    )
    return folder, record


def test_a_checkpoint_is_stored_once_with_its_step_and_metrics(
    store: Store, kept: tuple[Path, CheckpointModel]
) -> None:
    client, (folder, record) = store.client, kept
    run_id = client.create_run(store.experiment_id).info.run_id
    for _ in range(2):  # the answer to the first may have been lost
        store_checkpoint(store, run_id, folder, record, lambda _: None)
    (output,) = client.get_run(run_id).outputs.model_outputs
    assert output.step == 2
    stored = client.get_logged_model(output.model_id)
    assert (stored.name, stored.status) == ("A-baseline-seed0-epoch2", "READY")
    assert {(m.key, m.value, m.step) for m in stored.metrics} == {
        ("val/loss", 0.5, 2),
        ("val/accuracy", 0.75, 2),
    }
    assert len(client.get_metric_history(run_id, "val/loss")) == 1
    run = client.get_run(run_id)
    assert is_checkpoint_stored(store, run, record, lambda _: None)
    other = replace(record, points=(("val/auc", 0.5, NOW, 2),))
    assert not is_checkpoint_stored(store, run, other, lambda _: None)


def test_the_result_of_a_run_is_no_checkpoint_with_the_same_weights(
    store: Store, kept: tuple[Path, CheckpointModel]
) -> None:
    client, (folder, record) = store.client, kept
    run_id = client.create_run(store.experiment_id).info.run_id
    store_checkpoint(store, run_id, folder, record, lambda _: None)
    client.set_terminated(run_id)
    with pytest.raises(ValueError, match="no model; it has left 1 checkpoint, the"):
        find_model(client, run_id)
    facts = {k: v for k, v in record.facts.items() if k != "checkpoint_epoch"}
    result = ModelVersion(
        name="icl-A-baseline", sha256=record.sha256, files={}, params={}, facts=facts
    )
    register(store, run_id, folder, result, lambda _: None)
    outputs = client.get_run(run_id).outputs.model_outputs
    assert sorted(output.step for output in outputs) == [0, 2]
    assert find_model(client, run_id).reference == "models:/icl-A-baseline/1"
    client.delete_model_version("icl-A-baseline", "1")
    assert find_model(client, run_id).epoch is None
    (checkpoint,) = [o.model_id for o in outputs if o.step == 2]
    found = find_model(client, f"models:/{checkpoint}")
    assert (found.epoch, found.run_id) == (2, run_id)
    assert load_model(f"models:/{checkpoint}").sha256 == record.sha256


def test_a_name_has_only_signs_that_mlflow_takes() -> None:
    assert checkpoint_name("A-noisy_labels_0.2", 3) == "A-noisy_labels_0_2-epoch3"
