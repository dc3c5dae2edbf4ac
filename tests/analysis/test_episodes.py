"""Further episodes share the random numbers of the subject's own."""

from collections.abc import Callable

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.episodes import as_shown, episodes_for


def test_of_the_same_task_they_are_the_subjects_own(
    subject_of: Callable[..., Subject],
) -> None:
    subject = subject_of(variant="shuffled_labels")
    truth = episodes_for(subject, subject.task, most=1_000)
    own = subject.truth
    assert torch.equal(truth.episodes.context_x_BND, own.episodes.context_x_BND)
    assert torch.equal(truth.seen.context_y_BN, own.seen.context_y_BN)
    assert torch.equal(truth.bayes_B, own.bayes_B)


def test_the_variant_decides_what_is_shown(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(variant="shuffled_labels")
    truth = episodes_for(subject, subject.task, most=10, n_context=30)
    assert len(truth) == 10
    seen, episodes = truth.seen.context_y_BN, truth.episodes.context_y_BN
    assert not torch.equal(seen, episodes)
    assert torch.equal(seen.sum(1), episodes.sum(1))
    again = as_shown(subject, truth.episodes)
    assert torch.equal(again.context_y_BN, seen)
