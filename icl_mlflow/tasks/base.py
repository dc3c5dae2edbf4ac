"""The interface of every task, and how a task's own parameters are set."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.labels import KnownLabels


@dataclass(frozen=True)
class OracleConstants:
    """What the test that knows the latent parameters reaches, exactly.

    Attributes:
        accuracy: P(sign of the LLR is right), in [0, 1].
        auc: area under the ROC curve of the LLR, pooled over episodes.
    """

    accuracy: float
    auc: float


class Task(Protocol):
    """A distribution over binary classification problems whose exact test is known.

    A task is a frozen dataclass; its fields are the parameters of the distribution,
    ``dim`` (the dimension of x) among them. Labels are fair coins.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    #: Named changes of the parameters: in-distribution training, evaluated there.
    shifts: ClassVar[Mapping[str, Mapping[str, float]]]

    #: Parameters worth sweeping, and over which values.
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]]

    #: Easier beginnings for training: by what each parameter is multiplied at first.
    curricula: ClassVar[Mapping[str, Mapping[str, float]]]

    @property
    def dim(self) -> int:
        """Dimension D of x."""
        ...

    def sample(
        self,
        n_episodes: int,
        n_context: int = 32,
        *,
        seed: int = 0,
        stream: str = "train",
        step: int = 0,
        device: torch.device | str = "cpu",
    ) -> Episodes:
        """Draw fresh problems: a function of (seed, stream, step) and shape alone."""
        ...

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """The log of p(x_q | y_q = 1) / p(x_q | y_q = 0), latents known.

        (B,) float64, nats.
        """
        ...

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The log-odds of y_q = 1 given the context alone: (B,) float64, nats."""
        ...

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 given the points and what is known of their labels.

        (B,) float64, nats. The context's labels are not looked at; ``rng`` serves those
        tasks that need Monte Carlo for it.
        """
        ...

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The oracle's formula at the latents most probable given the context.

        (B,) float64, nats; 0 where the context does not decide them.
        """
        ...

    def __hash__(self) -> int:
        """Equal tasks share what is computed once for a task."""
        ...

    def oracle(self) -> OracleConstants:
        """The exact accuracy and AUC of the oracle."""
        ...


T = TypeVar("T", bound=Task)


def parameters(task: Task) -> dict[str, float]:
    """The task's own parameters by name.

    >>> from icl_mlflow.tasks import TASKS
    >>> parameters(TASKS["A"])
    {'dim': 16, 'tau': 3.0, 'separation': 1.0}
    """
    return {f.name: getattr(task, f.name) for f in fields(task)}


def with_parameters(task: T, changes: Mapping[str, float]) -> T:
    """The same task with some parameters changed.

    Raises:
        ValueError: a name that this task does not have, or a value out of range.
    """
    known = parameters(task)
    for name in changes:
        if name not in known:
            raise ValueError(
                f"{type(task).__name__} has no parameter {name!r}; "
                f"it has: {', '.join(known)}"
            )
    return replace(task, **changes)
