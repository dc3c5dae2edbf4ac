"""Models that are asked the same share their episodes, which no training has seen."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import STREAM, shifted_task, subjects
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MODEL

REQUEST = EvaluationRequest(episodes=20, seed=0, shifts={}, device="cpu")


def trained(**changes: Any) -> TrainedModel:
    settings = TrainSettings(**{**MODEL, **changes})
    return TrainedModel(
        name=settings.run_name, model=initial_model(settings).eval(), settings=settings
    )


def test_seeds_of_a_variant_share_episodes_and_other_models_have_their_own() -> None:
    models = [trained(seed=0), trained(seed=1), trained(variant="shuffled_labels")]
    models += [trained(task="B"), trained(n_context=3)]
    found = [one.truth for one in subjects(models, REQUEST)]
    assert found[0] is found[1]
    assert len({id(truth) for truth in found}) == 4
    # Of the same task they are drawn alike; a variant changes what is seen alone.
    assert torch.equal(found[0].bayes_B, found[2].bayes_B)
    shown, as_drawn = found[2].seen.context_y_BN, found[0].seen.context_y_BN
    assert not torch.equal(shown, as_drawn)


def test_episodes_are_of_the_seed_and_of_a_stream_of_their_own() -> None:
    (subject,) = subjects([trained(seed=5)], replace(REQUEST, seed=3))
    drawn = subject.problem.task.sample(20, 4, seed=3, stream=STREAM)
    assert torch.equal(subject.truth.episodes.query_x_BD, drawn.query_x_BD)
    for stream in ("train", "val", "test"):
        other = subject.problem.task.sample(20, 4, seed=3, stream=stream)
        assert not torch.equal(drawn.query_x_BD, other.query_x_BD)


def test_a_shift_changes_what_is_asked_and_not_what_was_learned() -> None:
    (subject,) = subjects([trained()], replace(REQUEST, shifts={"tau": 9.0}))
    assert (subject.task.tau, subject.problem.task.tau) == (9.0, 3.0)  # type: ignore[attr-defined]
    assert torch.equal(
        subject.truth.bayes_B, subject.task.bayes_logit(subject.truth.episodes)
    )


def test_a_shift_that_the_task_does_not_have_is_answered_with_those_it_has() -> None:
    with pytest.raises(ValueError, match="task A has no sigma_max; its parameters are"):
        shifted_task("A", TASKS["A"], {"sigma_max": 2.0})
