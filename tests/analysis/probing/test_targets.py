"""What is probed for, and how exact Bayes changes with it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.probing.targets import targets_of

SubjectOf = Callable[..., Subject]


@pytest.mark.parametrize(
    ("task", "needed", "further"),
    [
        ("A", {"sum_x", "v", "sum_s"}, {"sum_sx", "kappa"}),
        ("B", {"n_1", "Q_0", "Q_1"}, set()),
    ],
)
def test_a_task_says_what_is_needed(
    task: str, needed: set[str], further: set[str], subject_of: SubjectOf
) -> None:
    found = targets_of(subject_of(task=task), 10)
    assert set(found.needed) == needed
    answers = {"bayes_logit", "bayes_entropy"}
    assert set(found.statistics) == needed | further | answers
    assert {len(each) for each in found.statistics.values()} == {10}


def test_bayes_changes_as_for_a_context_with_the_other_statistic(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(task="A")
    found = targets_of(subject, 24)
    episodes = subject.truth.episodes
    # Two points moved apart: the sum stays, and Bayes sees what the signed sum becomes.
    moved_BND = episodes.context_x_BND.double().clone()
    moved_BND[:, 0] += 1
    moved_BND[:, 1] -= 1
    swapped = replace(episodes, context_x_BND=moved_BND)
    there = targets_of(
        replace(subject, truth=replace(subject.truth, episodes=swapped)), 24
    )
    change_BD = there.statistics["v"] - found.statistics["v"]
    expected_B = subject.task.bayes_logit(swapped) - subject.truth.bayes_B
    assert torch.allclose(found.bayes_change("v", change_BD), expected_B, atol=1e-9)
    one = torch.ones(24, 1, dtype=torch.float64)
    assert torch.equal(found.bayes_change("bayes_logit", one), one[:, 0])
    assert found.bayes_change("kappa", one) is None
