"""Checkpoints of a member are found in the store, and each is asked."""

from icl_mlflow import api
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.diagram.measure import has_checkpoints, measured_members
from tests.tiny import TRAINING


def test_every_checkpoint_is_asked_in_and_out_of_the_pool(store: Store) -> None:
    settings = {**TRAINING, "pool": 4, "epochs": 3}
    with_them = api.train(
        experiment="tests", quiet=True, keep_checkpoints="doubling", **settings
    )
    without = api.train(experiment="tests", quiet=True, **{**settings, "seed": 1})
    assert has_checkpoints(store, with_them.run_id)
    assert not has_checkpoints(store, without.run_id)
    asked: list[None] = []
    members = {with_them.run_id: with_them.settings, without.run_id: without.settings}
    table = measured_members(store, members, 100, lambda: asked.append(None))
    assert len(asked) == 2
    assert list(table["epoch"]) == [0, 0, 1, 1, 2, 2]
    assert list(table["step"].unique()) == [20, 40, 60]
    assert list(table["answers"].unique()) == [640, 1280, 1920]
    assert set(table["pool"]) == {4}
