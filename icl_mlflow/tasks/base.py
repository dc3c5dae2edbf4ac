"""The interface of every task, and how a task's own parameters are set."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.streams import generator
from icl_mlflow.tasks.labels import KnownLabels
from icl_mlflow.tasks.wrappers.wrapping import WRAPPER_PARAMETERS, Wrapping

#: ``classes``: exchanging them, and every label with them. ``rotation``: of the space
#: of x about the origin, reflections included. Where a task has one, its Bayes
#: predictor has it too.
Symmetry = Literal["classes", "rotation"]


@dataclass(frozen=True)
class OracleConstants:
    """The exact scores of the test that knows the latent parameters.

    Attributes:
        accuracy: P(sign of its log-odds is right), in [0, 1].
        auc: area under the ROC curve of its log-odds, pooled over episodes.
    """

    accuracy: float
    auc: float


class NotKnownError(ValueError):
    """A task is asked for something that it need not know, and does not."""


class Task(Protocol):
    """A distribution over binary classification problems whose exact test is known.

    A task is a frozen dataclass that is derived from this class; its fields, declared
    by `icl_mlflow.settings.setting` with literals, are the parameters of the
    distribution, ``dim`` (the dimension of x) among them. Labels are fair coins. The
    query is drawn as the context's points are, so that training may ask for several.

    What every task must have is abstract. It gives its episodes in parts, by
    ``draw_latents`` and ``draw_points``, or as a whole, by a ``sample`` of its own. All
    else need not be there; a task declares it by having it. One with the parts and
    ``log_likelihood`` can be wrapped: `icl_mlflow.tasks.wrappers`.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension D of x."""

    @abstractmethod
    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """The log of p(x_q | y_q = 1) / p(x_q | y_q = 0), latents known.

        (B,) float64, nats. The log-odds of y_q = 1, latents known, where labels are no
        fair coins.
        """

    @abstractmethod
    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The log-odds of y_q = 1 given the context alone: (B,) float64, nats."""

    def bayes_logit_of_queries(self, context: Episodes, query_x_BQD: Tensor) -> Tensor:
        """What ``bayes_logit`` answers to Q queries of each context: (B, Q), nats.

        Args:
            context: episodes, whose own query is not looked at.
            query_x_BQD: the queries.
        """
        y_BQ = torch.zeros(
            query_x_BQD.shape[:2], dtype=torch.int64, device=query_x_BQD.device
        )
        asked = context.for_queries(query_x_BQD, y_BQ)
        return self.bayes_logit(asked).view(y_BQ.shape)

    @abstractmethod
    def oracle(self) -> OracleConstants:
        """The exact accuracy and AUC of the oracle."""

    def __hash__(self) -> int:
        """Equal tasks share what is computed once for a task."""
        return hash(tuple(parameters(self).items()))

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
        rng = generator(seed, stream, step, device)
        latents = self.draw_latents(n_episodes, rng)
        # The query is one more draw from the same episode: the last of N + 1 points.
        y_BS = self.draw_labels(latents, (n_episodes, n_context + 1), rng)
        return Episodes.of_points(self.draw_points(latents, y_BS, rng), y_BS, latents)

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The latents of so many episodes by name, first axis B, on the device of rng.

        Raises:
            NotKnownError: the task samples as a whole.
        """
        del n_episodes, rng
        raise self._unknown("draw_latents")

    def draw_labels(
        self, latents: Mapping[str, Tensor], shape: tuple[int, int], rng: Generator
    ) -> Tensor:
        """The labels of S points of B episodes: fair coins, (B, S) int64."""
        del latents
        return torch.randint(2, shape, generator=rng, device=rng.device)

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """A point for every label, given the episode's latents: (B, S, D) float32.

        Raises:
            NotKnownError: the task samples as a whole.
        """
        del latents, y_BS, rng
        raise self._unknown("draw_points")

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """Log p(points of an episode | their labels, latents), for M latents each.

        (B, M) float64, nats, but for what depends on the points alone: on neither
        labels nor latents.

        Args:
            x_BSD: points of B episodes; S may be 0.
            y_BS: their labels.
            latents: as `draw_latents` gives them, first axis M, on the same device.

        Raises:
            NotKnownError: the task does not have it.
        """
        del x_BSD, y_BS, latents
        raise self._unknown("log_likelihood")

    @property
    def shifts(self) -> Mapping[str, Mapping[str, float]]:
        """Named changes of parameters: in-distribution training, evaluated there."""
        return {}

    @property
    def sweeps(self) -> Mapping[str, tuple[float, ...]]:
        """Parameters worth sweeping, and over which values."""
        return {}

    @property
    def curricula(self) -> Mapping[str, Mapping[str, float]]:
        """Easier beginnings for training: what each parameter is multiplied by."""
        return {}

    @property
    def symmetries(self) -> frozenset[Symmetry]:
        """Under what the distribution stays as it is; see `Symmetry`."""
        return frozenset()

    @property
    def core(self) -> "Task":
        """The task without its wrappers."""
        return self

    @property
    def wrapping(self) -> Wrapping:
        """The wrappers around the core."""
        return Wrapping()

    @property
    def base_rate(self) -> float:
        """The probability of y = 1, all else unknown."""
        return 0.5

    def label_log_odds(self, ones_B: Tensor, n_labels: int) -> Tensor:
        """The log-odds that the next label is 1, if so many of an episode's are.

        (B,) float64, nats: 0 where labels are fair coins. Points tell the rest.
        """
        del n_labels
        return torch.zeros_like(ones_B, dtype=torch.float64)

    @property
    def knows_corrupted_labels(self) -> bool:
        """Whether ``corrupted_bayes_logit`` is there for any evidence on labels."""
        return type(self).corrupted_bayes_logit is not Task.corrupted_bayes_logit

    #: Those of its statistics that exact Bayes needs, and all that it needs, of a
    #: context; empty where none are known that are smaller than the context itself.
    sufficient: ClassVar[tuple[str, ...]] = ()

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """What an answer may be computed from, by name: (B, k) float64 each.

        The `sufficient` ones, and others worth looking for in a model.

        Raises:
            NotKnownError: the task does not have any.
        """
        del episodes
        raise self._unknown("statistics")

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The ``bayes_logit`` of a context with these sufficient statistics.

        (B,) float64, nats. They need not be those of any context.

        Raises:
            NotKnownError: the task does not have any.
        """
        del statistics, query_x_BD, n_context
        raise self._unknown("bayes_logit_of")

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 given the points and what is known of their labels.

        (B,) float64, nats. The context's labels are not looked at; ``rng`` serves those
        tasks that need Monte Carlo for it. Without it the ceilings of variants with
        corrupted labels are unknown.

        Raises:
            NotKnownError: the task does not have it.
        """
        del episodes, known, rng
        raise self._unknown("corrupted_bayes_logit")

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The oracle's formula at the latents most probable given the context.

        (B,) float64, nats; 0 where the context does not decide them.

        Raises:
            NotKnownError: the task does not have it.
        """
        del episodes
        raise self._unknown("plug_in_logit")

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """P(LLR <= value) under y = 0 and under y = 1, for values of any shape, nats.

        Args:
            llr: the values.
            latents: as `draw_latents` gives them, each as likely as the others; those
                of the prior if not given.

        Raises:
            NotKnownError: the task does not have it; whoever asks counts in draws.
        """
        del llr, latents
        raise self._unknown("llr_cdf")

    def _unknown(self, what: str) -> NotKnownError:
        return NotKnownError(f"{type(self).__name__} has no {what}")


T = TypeVar("T", bound=Task)


def check_episodes(task: Task, episodes: Episodes) -> None:
    """Refuse episodes that the task cannot have drawn.

    Raises:
        ValueError: their points have another dimension.
    """
    if episodes.dim != task.dim:
        raise ValueError(
            f"the task has dim={task.dim}, but the episodes have dim={episodes.dim}; "
            "draw them from the same task, such as run.task.sample(1_000)"
        )


def knows_corrupted_labels(task: Task) -> bool:
    """Whether the task can do without the context's labels, whatever is known."""
    return task.knows_corrupted_labels


def parameters(task: Task) -> dict[str, float]:
    """The task's own parameters by name, and those of its wrappers, if it has any.

    >>> from icl_mlflow.tasks import TASKS
    >>> parameters(TASKS["A"])
    {'dim': 16, 'tau': 3.0, 'separation': 1.0}
    """
    own = {f.name: getattr(task.core, f.name) for f in fields(task.core)}
    return {**own, **task.wrapping.given}


def with_parameters(task: T, changes: Mapping[str, float]) -> T:
    """The same task with some parameters changed, those of wrappers among them.

    >>> from icl_mlflow.tasks import TASKS
    >>> parameters(with_parameters(TASKS["A"], {"tau": 9, "pool": 8}))
    {'dim': 16, 'tau': 9.0, 'separation': 1.0, 'pool': 8, 'pool_seed': 0}

    Raises:
        ValueError: a name that this task does not have, a value out of range, or a
            wrapper that it cannot have.
    """
    # Wrappers are tasks.
    from icl_mlflow.tasks.wrappers.wrapped import rewrapped  # noqa: PLC0415

    known = {*parameters(task), *WRAPPER_PARAMETERS}
    for name in changes:
        if name not in known:
            raise ValueError(
                f"{type(task.core).__name__} has no parameter {name!r}; "
                f"it has: {', '.join(parameters(task))}"
            )
    return cast("T", rewrapped(task, changes))
