"""An analysis is data: a question, and how it is measured, summarised, drawn, answered.

Only ``measure`` ever touches a model; the rest works on the table it returns, so that
several seeds are answered together and a figure can be drawn again from its CSV.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.evaluation import EvaluationSet, Predictor, predict
from icl_mlflow.models import InContextModel, Transformer
from icl_mlflow.statistics import Interval
from icl_mlflow.tasks.base import Task
from icl_mlflow.training.problem import Problem
from icl_mlflow.training.settings import TrainSettings

T = TypeVar("T")


class Topic(Enum):
    """What questions are about, in the order of a report; its value is for readers."""

    RIGHT = "Is it right?"
    COMPUTATION = "What does it compute?"
    PLACE = "Where does it compute it?"
    PATH = "By which path?"
    FURTHER = "Further questions"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A predictor, what it was trained on, and the episodes it is asked about.

    Attributes:
        name: of the run, such as ``A-baseline-seed0``.
        predictor: what answers; the transformer itself, or a stand-in such as Bayes.
        transformer: for analyses of internals; None for what has none that they know:
            a stand-in, another family of models, other blocks.
        settings: of the training run.
        problem: what it was trained on: task, variant, architecture, context length.
        task: what it is asked about; the training task unless shifted.
        truth: the episodes of ``task``, with exact answers.
        seed: of every further random draw.
        model: that was trained, of whatever family; None for a stand-in.
    """

    name: str
    predictor: Predictor
    transformer: Transformer | None
    settings: TrainSettings
    problem: Problem
    task: Task
    truth: EvaluationSet
    seed: int
    model: InContextModel | None = None
    _found: dict[Callable[["Subject"], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def logit_B(self) -> Tensor:
        """What the predictor answers on ``truth``: (B,) float64, nats; found once."""
        return predict(self.predictor, self.truth.seen)

    @cached_property
    def trained_bayes_B(self) -> Tensor | None:
        """Log-odds of exact Bayes that believes in the training prior: (B,), nats.

        None where the episodes are of the training task.
        """
        if self.task == self.problem.task:
            return None
        return self.problem.task.bayes_logit(self.truth.episodes).cpu()

    def once(self, measure: Callable[["Subject"], T]) -> T:
        """What ``measure`` finds of this subject: for analyses that share it."""
        if measure not in self._found:
            self._found[measure] = measure(self)
        found: T = self._found[measure]
        return found


def always(_subject: Subject) -> str | None:
    """The analysis applies to every subject."""
    return None


def nothing_pooled(_table: pd.DataFrame) -> dict[str, Interval]:
    """Everything there is to say of several models is a mean over them."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One question put to trained models.

    Attributes:
        question: in one sentence, for readers of the report.
        topic: what the question is about: where it stands in the report.
        by_default: whether it is asked where nobody names it; not if it takes long.
        measure: a subject to a table; deterministic, and leaves the model as it was.
        summarise: the table of one subject to numbers by name; nats if not said.
        pool: the table of all subjects to numbers that are not means over subjects.
        draw: the table of all subjects, told apart by column ``model``, to a figure.
        verdict: what was found to the answer: yes, no, or that it cannot be told.
        refuses: why a subject cannot be asked, in one line, or None.
        headline: the number that answers the question best, of those of ``summarise``
            and ``pool``: the one that is a metric of the run. The first if not given.
        beside: the table of a suite's models to a figure of its variants side by side;
            their headlines, seed by seed, if not given.
        most_episodes: how many of the subject's episodes it takes, where that is not
            all of them.
        least_share: of the subject's episodes it takes so large a share even where that
            is more; so asking about more episodes makes it surer.
    """

    question: str
    measure: Callable[[Subject], pd.DataFrame]
    summarise: Callable[[pd.DataFrame], dict[str, float]]
    draw: Callable[[pd.DataFrame], Figure]
    verdict: Callable[[Findings], Conclusion]
    refuses: Callable[[Subject], str | None] = always
    topic: Topic = Topic.FURTHER
    by_default: bool = True
    most_episodes: int | None = None
    least_share: float = 0.0
    pool: Callable[[pd.DataFrame], dict[str, Interval]] = nothing_pooled
    headline: str = ""
    beside: Callable[[pd.DataFrame], Figure] | None = None

    def episodes_of(self, n_episodes: int) -> int:
        """How many of a subject's episodes it takes."""
        if self.most_episodes is None:
            return n_episodes
        return taken(n_episodes, self.most_episodes, self.least_share)


def taken(n_episodes: int, most: int, least_share: float = 0.0) -> int:
    """How many of ``n_episodes`` a costly analysis takes.

    >>> [taken(n, 2_000, 0.4) for n in (1_000, 5_000, 20_000)]
    [1000, 2000, 8000]
    """
    return min(n_episodes, max(most, round(least_share * n_episodes)))
