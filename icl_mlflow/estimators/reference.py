"""The rules that belong to the task itself: exact Bayes, the oracle, the plug-in."""

from dataclasses import dataclass

from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task


@dataclass(frozen=True)
class Bayes:
    """The exact posterior of the query's label given the context."""

    question: str = "What is the best that any learner can do with this context?"
    is_calibrated: bool = True

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The exact log-odds: (B,) float64, nats."""
        return task.bayes_logit(episodes)


@dataclass(frozen=True)
class Oracle:
    """The exact test that knows the episode's latent parameters; no context needed."""

    question: str = "What would be possible with the episode's parameters known?"
    is_calibrated: bool = True

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The exact log-likelihood ratio: (B,) float64, nats."""
        return task.oracle_llr(episodes)


@dataclass(frozen=True)
class PlugIn:
    """The oracle's formula with the task's own point estimates in it.

    It takes its estimates for the truth and is therefore too sure of itself.
    """

    question: str = "Does it suffice to estimate the parameters and trust them?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The plug-in log-likelihood ratio: (B,) float64, nats."""
        return task.plug_in_logit(episodes)


BAYES = Bayes()
ORACLE = Oracle()
PLUG_IN = PlugIn()
