"""Task Toy: on which side of a fixed axis does a class lie in this episode?

Per episode s is a fair sign, and x | y ~ N(s (2y - 1) gap e_1, I), so that
LLR(x) = 2 s gap x_1 (nats): the first axis alone tells.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.special import ndtr
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task


@dataclass(frozen=True)
class Sign(Task):
    """Which way round do the classes lie along the first axis?"""

    dim: int = setting(16, "Dimension of x.", minimum=1)
    gap: float = setting(
        0.3, "Half the distance of the classes.", minimum=0, maximum=10
    )

    shifts: ClassVar[Mapping[str, Mapping[str, float]]] = {"wider": {"gap": 0.6}}
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {"gap": (0.1, 0.3, 1.0)}
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes"})

    def __post_init__(self) -> None:
        check(self)

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """Which way round the classes lie: ``sign`` (B,), -1 or 1."""
        drawn_B = torch.randint(2, (n_episodes,), generator=rng, device=rng.device)
        return {"sign": drawn_B * 2.0 - 1}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Unit noise, its first axis moved by gap s (2y - 1): (B, S, D)."""
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        x_BSD[..., 0] += self.gap * latents["sign"][:, None] * (2 * y_BS - 1)
        return x_BSD

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """Gap s times the sum of (2y - 1) x_1, for each s: (B, M) float64, nats."""
        signed_B = ((2 * y_BS - 1) * x_BSD[..., 0].double()).sum(1)
        return self.gap * signed_B[:, None] * latents["sign"].double()

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """2 s gap x_1: (B,) float64, nats."""
        sign_B = episodes.latents["sign"].double()
        return 2 * self.gap * sign_B * episodes.query_x_BD[:, 0].double()

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """Log cosh(a + g) - log cosh(a - g), g = gap x_1: (B,) float64, nats.

        The context's odds of the sign are 2 a = sum of (2y - 1) 2 gap x_1.
        """
        label_sign_BN = 2 * episodes.context_y_BN.double() - 1
        first_BN = episodes.context_x_BND[..., 0].double()
        a_B = self.gap * (label_sign_BN * first_BN).sum(1)
        g_B = self.gap * episodes.query_x_BD[:, 0].double()
        with_it_B, against_B = a_B + g_B, a_B - g_B
        return torch.logaddexp(with_it_B, -with_it_B) - torch.logaddexp(
            against_B, -against_B
        )

    def oracle(self) -> OracleConstants:
        """Phi(gap) and Phi(sqrt 2 gap): LLR | y ~ N(+-2 gap^2, 4 gap^2)."""
        return OracleConstants(
            accuracy=float(ndtr(self.gap)), auc=float(ndtr(math.sqrt(2) * self.gap))
        )


TOY = Sign()
