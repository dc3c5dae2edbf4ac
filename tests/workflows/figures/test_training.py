"""A training's figures come out of its files as they were logged, to the last dot."""

import pytest

import icl_mlflow
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.figures import training
from icl_mlflow.workflows.figures.training import figures_of_training
from tests.conftest import TrainedRuns
from tests.tiny import MOMENT
from tests.workflows.figures.redrawn import assert_drawn_as_logged


def test_a_training_is_drawn_as_it_was(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    for run_id in (trained_runs.task_b, trained_runs.no_labels_seeds[1]):
        assert_drawn_as_logged(EndedRun.of(trained_store.client, run_id))


def test_several_seeds_are_drawn_as_they_were(store: Store) -> None:
    parent = icl_mlflow.train(
        preset="smoke", seeds=[3, 4], jobs=1, experiment="tests", quiet=True, **MOMENT
    )
    assert_drawn_as_logged(EndedRun.of(store.client, parent.run_id))


def test_a_model_that_was_not_trained_has_no_learning_curve(store: Store) -> None:
    run = icl_mlflow.train(
        preset="smoke", epochs=0, experiment="tests", quiet=True, **MOMENT
    )
    ended = EndedRun.of(store.client, run.run_id)
    assert figures_of_training(ended).keys() == {"logit_vs_llr", "reliability"}
    assert_drawn_as_logged(ended)


def test_answers_to_other_episodes_are_refused(
    trained_store: Store, trained_runs: TrainedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that draws other episodes must not put them beside these answers."""
    drawn = training.evaluation_episodes
    monkeypatch.setattr(
        training,
        "evaluation_episodes",
        lambda settings, chosen, _stream: drawn(settings, chosen, "validation"),
    )
    run = EndedRun.of(trained_store.client, trained_runs.task_b)
    with pytest.raises(ValueError, match="are not those that this version"):
        figures_of_training(run)
