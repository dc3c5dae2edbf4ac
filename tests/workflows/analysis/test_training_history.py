"""How training went is answered from the runs that were trained, variant by variant."""

import pytest

from icl_mlflow.tracking.models.sources import pull
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.analysis.training_history import training_answers
from tests.conftest import TrainedRuns
from tests.tracking.conftest import keep_one


def test_seeds_of_a_variant_share_an_answer(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    client = trained_store.client
    pulled = pull(client, trained_runs.baseline)
    (answer,) = training_answers(trained_store, pulled)
    assert (answer.analysis, answer.group) == ("learning_curves", "")
    assert set(answer.frame["seed"]) == {0, 1}
    for seed, run_id in enumerate(trained_runs.baseline_seeds):
        logged = client.get_metric_history(run_id, "val/loss")
        shown = answer.frame.loc[answer.frame["seed"] == seed, "val/loss"]
        assert list(shown) == [point.value for point in logged]
    accuracies = [
        client.get_run(run_id).data.metrics["test/accuracy"]
        for run_id in trained_runs.baseline_seeds
    ]
    interval = answer.numbers["accuracy"]
    assert interval.mean == pytest.approx(sum(accuracies) / 2)
    assert (interval.low, interval.high) == (min(accuracies), max(accuracies))


def test_variants_have_an_answer_each(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    client = trained_store.client
    for run_id in trained_runs.no_labels_seeds:
        client.set_tag(run_id, "mlflow.parentRunId", trained_runs.baseline)
    found = training_answers(trained_store, pull(client, trained_runs.baseline))
    assert [answer.group for answer in found] == ["baseline", "no_labels"]


def test_a_model_that_was_not_trained_here_has_none(store: Store) -> None:
    run_id, _ = keep_one(store)
    assert training_answers(store, pull(store.client, run_id)) == []
