"""Members of a stack: each has a run of its own, which ends as its training does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from icl_mlflow.suite.engines.stack import train_stack
from icl_mlflow.suite.grid import grid
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


@contextmanager
def suite(store: Store) -> Iterator[str]:
    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        yield log.run_id


def statuses(store: Store) -> dict[str, str]:
    """Of the training runs, by name."""
    runs = store.client.search_runs([store.experiment_id], "tags.kind = 'train'")
    return {run.info.run_name: run.info.status for run in runs}


def test_a_member_that_diverges_fails_alone_and_says_why(store: Store) -> None:
    calm, wild = grid(SETTINGS, ["baseline"], (0, 1))
    wild = replace(wild, lr=1e30, clip_norm=1e30)
    with suite(store) as parent:
        first, second = train_stack(store, [calm, wild], parent_run_id=parent)
    assert first.value is not None
    assert first.value.model_uri == "models:/icl-A-baseline/1"
    assert second.value is None
    assert str(second.error).startswith("NonFiniteLossError: the loss is not finite")
    assert statuses(store) == {
        "A-baseline-seed0": "FINISHED",
        "A-baseline-seed1": "FAILED",
    }
    query = "attributes.status = 'FAILED'"
    (failed,) = store.client.search_runs([store.experiment_id], query)
    assert "not finite" in failed.data.tags["failure"]
    kept = {file.path for file in store.client.list_artifacts(failed.info.run_id)}
    assert {"last_good.safetensors", "train.log"} <= kept


@pytest.mark.parametrize(
    ("sent", "raised"),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_ends_every_run_of_a_stack_killed(
    store: Store, sent: signal.Signals, raised: type[BaseException]
) -> None:
    before = signal.getsignal(sent)
    with pytest.raises(raised), suite(store) as parent:
        train_stack(
            store,
            grid(SETTINGS, ["baseline"], (0, 1, 2)),
            parent_run_id=parent,
            on_epoch=lambda _name, _epoch: signal.raise_signal(sent),
        )
    assert list(statuses(store).values()) == ["KILLED"] * 3
    assert signal.getsignal(sent) == before
