"""Exact Bayes, the oracle and every estimator, asked in the way a model is asked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import Estimator, estimate
from icl_mlflow.estimators.reference import ORACLE
from icl_mlflow.tasks.base import Task, check_episodes


@dataclass(frozen=True)
class TaskPredictor:
    """An estimator that answers for one task: context and query in, log-odds out.

    `icl_mlflow.predict` asks it, as it asks a model; it can also be called as a model
    is.

    Args:
        estimator: the rule.
        task: what it knows beforehand.
    """

    estimator: Estimator
    task: Task

    def answer(self, episodes: Episodes) -> Tensor:
        """Log-odds of y_q = 1, or a score that grows with them: (B,) float64, nats.

        Raises:
            ValueError: episodes of another dimension than the task's.
        """
        check_episodes(self.task, episodes)
        return estimate(self.estimator, self.task, episodes)

    def __call__(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """Log-odds for a context and its query, whose latents and label are not given.

        Raises:
            ValueError: as for `answer`, or a rule that needs the latents, as the oracle
                does.
        """
        episodes = Episodes(
            context_x_BND=context_x_BND,
            context_y_BN=context_y_BN,
            query_x_BD=query_x_BD,
            query_y_B=torch.zeros(len(query_x_BD), dtype=torch.int64),
            latents={},
        )
        if self.estimator == ORACLE:
            raise ValueError(
                "the oracle must see the latents of the episodes; "
                "ask it by predict(oracle, episodes)"
            )
        return self.answer(episodes)


def bayes(task: Task) -> TaskPredictor:
    """The exact Bayes predictor of a task: what no learner can beat on average.

    >>> from icl_mlflow import TASKS, predict
    >>> task = TASKS["B"]
    >>> predict(bayes(task), task.sample(3, n_context=8)).shape
    torch.Size([3])
    """
    return estimator("bayes", task)


def oracle(task: Task) -> TaskPredictor:
    """The test that knows the latent parameters of every episode."""
    return estimator("oracle", task)


def estimator(name: str, task: Task) -> TaskPredictor:
    """A classical rule such as ``lda`` or ``knn``, for a task.

    Args:
        name: one of `icl_mlflow.ESTIMATORS`.
        task: such as ``run.task`` or ``TASKS["A"]``.

    Raises:
        UnknownNameError: no such estimator.
        TypeError: the name of a task in place of the task.
    """
    if isinstance(task, str):
        raise TypeError(
            f"give a task, not its name {task!r}: run.task of a trained model, or "
            f"TASKS[{task!r}] with the parameters of the paper"
        )
    return TaskPredictor(ESTIMATORS[name], task)
