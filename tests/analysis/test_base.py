"""A subject answers once, and an analysis knows how many episodes it takes."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject, taken
from icl_mlflow.evaluation import predict

SubjectOf = Callable[..., Subject]


def test_a_subject_is_asked_once(subject_of: SubjectOf) -> None:
    asked: list[int] = []

    def predictor(x_BND: Tensor, _y_BN: Tensor, _query_x_BD: Tensor) -> Tensor:
        asked.append(len(x_BND))
        return torch.zeros(len(x_BND))

    subject = replace(subject_of(episodes=7), predictor=predictor)
    first, second = subject.logit_B, subject.logit_B
    assert first is second
    assert asked == [7]


def test_its_answers_are_those_to_the_episodes_as_shown(subject_of: SubjectOf) -> None:
    subject = subject_of(variant="shuffled_labels", episodes=50)
    assert torch.equal(subject.logit_B, predict(subject.predictor, subject.truth.seen))
    as_drawn = predict(subject.predictor, subject.truth.episodes)
    assert not torch.equal(subject.logit_B, as_drawn)


def test_bayes_of_the_training_prior_stands_beside_a_shift_alone(
    subject_of: SubjectOf,
) -> None:
    assert subject_of().trained_bayes_B is None
    shifted = subject_of(shifts={"tau": 9.0})
    trained_B = shifted.trained_bayes_B
    assert trained_B is not None
    expected_B = shifted.problem.task.bayes_logit(shifted.truth.episodes)
    assert torch.equal(trained_B, expected_B)
    assert not torch.equal(trained_B, shifted.truth.bayes_B)


def test_what_analyses_share_is_measured_once_a_subject(subject_of: SubjectOf) -> None:
    measured: list[str] = []

    def measure(subject: Subject) -> int:
        measured.append(subject.name)
        return len(measured)

    one, other = subject_of(seed=0), subject_of(seed=1)
    assert [one.once(measure), one.once(measure), other.once(measure)] == [1, 1, 2]
    assert measured == [one.name, other.name]


def test_costly_analyses_take_a_share_of_many_episodes() -> None:
    assert [taken(n, 2_000) for n in (500, 2_000, 9_000)] == [500, 2_000, 2_000]
    assert [taken(n, 2_000, 0.5) for n in (3_000, 9_000)] == [2_000, 4_500]
    for name in ANALYSES:
        assert ANALYSES[name].episodes_of(100) == 100
