"""What estimators share: labels as signs, and answers in chunks."""

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import estimate, has_both_classes, signs
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task


def labelled(*labels: list[int]) -> Episodes:
    y_BN = torch.tensor(labels)
    n_episodes, n_context = y_BN.shape
    return Episodes(
        context_x_BND=torch.zeros(n_episodes, n_context, 1),
        context_y_BN=y_BN,
        query_x_BD=torch.zeros(n_episodes, 1),
        query_y_B=torch.zeros(n_episodes, dtype=torch.int64),
        latents={},
    )


def test_labels_become_signs_and_one_class_is_told_from_two() -> None:
    episodes = labelled([0, 1, 1], [0, 0, 0], [1, 1, 1])
    assert signs(episodes).tolist() == [[-1, 1, 1], [-1, -1, -1], [1, 1, 1]]
    assert signs(episodes).dtype == torch.float64
    assert has_both_classes(episodes).tolist() == [True, False, False]
    assert not has_both_classes(labelled([], [])).any()


class Counting:
    """Answers with the sum of the query, and counts what it is asked at once."""

    question = "How much is asked at once?"
    is_calibrated = False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        del task
        self.asked.append(len(episodes))
        return episodes.query_x_BD.double().sum(1)


def test_many_episodes_are_answered_in_chunks_and_in_order() -> None:
    """33 000 points at once: 1 000 episodes of the paper's 32 points and a query."""
    task = TASKS["A"]
    episodes = task.sample(2_500, 32)
    rule = Counting()
    found_B = estimate(rule, task, episodes)
    assert rule.asked == [1_000, 1_000, 500]
    assert torch.equal(found_B, episodes.query_x_BD.double().sum(1))
