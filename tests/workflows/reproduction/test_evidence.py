"""A training counts for the table as soon as it has come through its last epoch."""

import pytest

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import papers_trainings
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.reproduction.evidence import evidence

SETTINGS = TrainSettings.preset("smoke", test_episodes=100, val_episodes=64)


@pytest.mark.parametrize(("n_epochs", "counts"), [(2, True), (1, False)])
def test_a_run_that_was_ended_counts_if_its_epochs_are_all_there(
    store: Store, n_epochs: int, counts: bool
) -> None:
    request = papers_trainings(SETTINGS, [0], Execution())
    (member,) = [m for m in request.members if m.variant == "no_position"]
    tags = {"kind": "train", "task": "A", "variant": "no_position", "seed": "0"}
    tags["settings_hash"] = member.identity
    run_id = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    values = {"train/accuracy": 0.5, "val/accuracy": 0.6, "val/loss": 0.68}
    for epoch in range(n_epochs):
        for name, value in {**values, "val/loss_standard_error": 0.01}.items():
            store.client.log_metric(run_id, name, value + epoch / 100, step=epoch)
    store.client.set_terminated(run_id, "KILLED")
    found = evidence(store, request, {}, {})
    courses = found.members["A", "no_position"]
    assert [course.run_id for course in courses] == [run_id] * counts
    for course in courses:
        assert not course.is_finished
        assert list(course.history["val/accuracy"]) == [0.6, 0.61]
    assert 0.5 < found.shifted_bayes < 0.95
