"""What every wrapper of a task leaves to the task."""

from collections.abc import Mapping

from torch import Generator, Tensor

from icl_mlflow.tasks.base import Task


class Wrapper(Task):
    """A task around another one: what it does not say itself is as of that one.

    Attributes:
        base: the task within.
    """

    base: Task

    @property
    def dim(self) -> int:
        """Dimension of x."""
        return self.base.dim

    @property
    def core(self) -> Task:
        """The task without wrappers."""
        return self.base.core

    @property
    def sweeps(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the task within."""
        return self.base.sweeps

    @property
    def curricula(self) -> Mapping[str, Mapping[str, float]]:
        """Those of the task within."""
        return self.base.curricula

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """A point for every label, as the task within draws it: (B, S, D) float32."""
        return self.base.draw_points(latents, y_BS, rng)

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """That of the task within, labels given: (B, M) float64, nats."""
        return self.base.log_likelihood(x_BSD, y_BS, latents)
