r"""Task C: two halves of x that agree in one class and disagree in the other.

Per episode rho ~ Uniform(-R, R). With x = (a, b), both halves of dimension p = D / 2,
and s = 2y - 1,

    x | y ~ N(0, [[I, s rho I], [s rho I, I]]),
    LLR(x) = 2 rho / (1 - rho^2) a . b   (nats).

Every coordinate alone, and every linear function of x, has the same law in both
classes: only products of coordinates tell.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.special import betainc
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.hidden_labels import Hypotheses, hidden_labels_logit
from icl_mlflow.tasks.integrals.inversion import chance_positive, logarithmic
from icl_mlflow.tasks.integrals.quadrature import log_integral, unit_legendre
from icl_mlflow.tasks.labels import KnownLabels


@dataclass(frozen=True)
class CovarianceSign(Task):
    """Task C: whether the two halves of the query go together, as its class does.

    Attributes:
        dim: dimension of x, even.
        rho_max: R, the largest correlation of the two halves.
    """

    dim: int = setting(16, "Dimension of x.", minimum=2)
    # Further up, float32 no longer resolves the difference of the halves.
    rho_max: float = setting(
        0.9, "Largest correlation of the two halves of x.", above=0, maximum=0.999
    )

    shifts: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "strong_correlation": {"rho_max": 0.95},
        "weak_correlation": {"rho_max": 0.5},
    }
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "rho_max": (0.3, 0.5, 0.7, 0.8, 0.9, 0.99)
    }
    curricula: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "correlation": {"rho_max": 1.1}
    }
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes"})
    sufficient: ClassVar[tuple[str, ...]] = ("Q", "T")

    def __post_init__(self) -> None:
        check(self)
        if self.dim % 2:
            raise ValueError(f"dim must be even, not {self.dim}: x has two halves")

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The correlation of the halves where y = 1: ``rho`` (B,)."""
        rho_B = torch.rand(n_episodes, generator=rng, device=rng.device)
        return {"rho": rho_B.mul_(2 * self.rho_max).sub_(self.rho_max)}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Halves a and s rho a + sqrt(1 - rho^2) b of unit noise: (B, S, D)."""
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        first_BSP, second_BSP = _halves(x_BSD)
        rho_B11 = latents["rho"][:, None, None]
        own_B11 = (1 - rho_B11.square()).sqrt()
        second_BSP.mul_(own_B11).addcmul_(
            (2 * y_BS - 1)[..., None] * rho_B11, first_BSP
        )
        return x_BSD

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """The log density of points given rho: (B, M) float64, nats."""
        square_B, signed_B = _moments(x_BSD, y_BS)
        n = y_BS.shape[1] * self.dim / 2
        rho_M = latents["rho"].double()
        return _log_density(n, rho_M, square_B.unsqueeze(1), signed_B.unsqueeze(1))

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """2 rho / (1 - rho^2) a_q . b_q: (B,) float64, nats."""
        return _llr(episodes.latents["rho"].double(), _product(episodes.query_x_BD))

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        r"""The exact log-odds of y_q = 1 with rho integrated out: (B,) float64.

        With Q the sum of |x|^2 over all N = n + 1 points, T the sum of s a.b over the
        context and t = a.b of the query, the log marginal likelihood is

            m(T + s_q t),  m(T) = log of the integral over [-R, R] of
              exp(-(N p / 2) log(1 - rho^2) - (Q - 2 rho T) / (2 (1 - rho^2))),

        and the log-odds are m(T + t) - m(T - t). As m is even, so is what is computed.
        """
        return self.bayes_logit_of(
            self.statistics(episodes), episodes.query_x_BD, episodes.n_context
        )

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The same of the context's part of Q and of T: (B,) float64."""
        query_B, signed_B = _product(query_x_BD), statistics["T"][:, 0]
        square_B = statistics["Q"][:, 0] + query_x_BD.double().square().sum(-1)
        n = (n_context + 1) * self.dim / 2
        both_R = torch.cat([signed_B + query_B, signed_B - query_B]).abs()
        square_R = square_B.repeat(2)
        edges_RE = self._turns(n, square_R, both_R)
        log_density = functools.partial(_log_density, n)
        agree_B, differ_B = log_integral(log_density, edges_RE, square_R, both_R).chunk(
            2
        )
        return agree_B - differ_B

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """Q, the sum of |x|^2, and T, that of s a . b: (B, 1) each."""
        moments = _moments(episodes.context_x_BND, episodes.context_y_BN)
        return {
            name: value_B.unsqueeze(1)
            for name, value_B in zip("QT", moments, strict=True)
        }

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By quadrature over artanh(rho), whose posterior is never narrower than
        1 / sqrt(2 N p).
        """
        del rng
        reach = math.atanh(self.rho_max)
        points = (episodes.n_context + 1) * self.dim / 2
        unit, weight = unit_legendre(32 + math.ceil(4 * reach * math.sqrt(points)))
        rho = np.tanh(reach * (2 * unit - 1))
        rho_G, weight_G = torch.from_numpy(rho), torch.from_numpy(weight * (1 - rho**2))

        def of_class(sign: int, x_BSD: Tensor) -> Tensor:
            square_BS1 = x_BSD.double().square().sum(-1, keepdim=True)
            signed_BS1 = sign * _product(x_BSD).unsqueeze(-1)
            place_G = rho_G.to(x_BSD.device)
            return _log_density(self.dim / 2, place_G, square_BS1, signed_BS1)

        return hidden_labels_logit(
            Hypotheses(weight_G.log(), of_class), episodes, known
        )

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """2 rho / (1 - rho^2) a_q . b_q at the most probable rho: (B,) float64, nats.

        0 where the products of the context sum to 0, as without any.
        """
        square_B, signed_B = _moments(episodes.context_x_BND, episodes.context_y_BN)
        n = episodes.n_context * self.dim / 2
        if not n:
            return torch.zeros_like(signed_B)
        turn_BE = self._turns(n, square_B, signed_B.abs())
        value_BE = _log_density(
            n, turn_BE, square_B.unsqueeze(-1), signed_B.abs().unsqueeze(-1)
        )
        rho_B = turn_BE.gather(1, value_BE.argmax(1, keepdim=True))[:, 0]
        return _llr(rho_B * signed_B.sign(), _product(episodes.query_x_BD))

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the LLR, by quadrature over rho."""
        return _oracle(self.dim // 2, self.rho_max)

    def _turns(self, n: float, square_R: Tensor, signed_R: Tensor) -> Tensor:
        """-R, where the posterior of rho turns, and R, in order: (R, 3 or 5).

        It turns where n rho^3 - T rho^2 - (n - Q) rho - T = 0.
        """
        ratio_R = signed_R / n
        root_R3 = _cubic_roots(-ratio_R, square_R / n - 1, -ratio_R)
        root_R3 = root_R3.clamp(-self.rho_max, self.rho_max).sort(1).values
        end_R1 = torch.full_like(root_R3[:, :1], self.rho_max)
        return torch.cat([-end_R1, root_R3, end_R1], dim=1)


def _halves(x_D: Tensor) -> tuple[Tensor, Tensor]:
    """The two halves of the last axis, as views."""
    half = x_D.shape[-1] // 2
    return x_D[..., :half], x_D[..., half:]


def _product(x_D: Tensor) -> Tensor:
    """A . b along the last axis: float64."""
    first_P, second_P = _halves(x_D)
    return (first_P.double() * second_P.double()).sum(-1)


def _moments(x_BSD: Tensor, y_BS: Tensor) -> tuple[Tensor, Tensor]:
    """Of labelled points: the sum of |x|^2 and that of s a . b. (B,) float64 each."""
    sign_BS = 2.0 * y_BS.double() - 1.0
    square_B = x_BSD.double().square().sum((1, 2))
    return square_B, (sign_BS * _product(x_BSD)).sum(1)


def _llr(rho_B: Tensor, product_B: Tensor) -> Tensor:
    return 2 * rho_B / (1 - rho_B.square()) * product_B


def _log_density(n: float, rho: Tensor, square: Tensor, signed: Tensor) -> Tensor:
    """Of points with n products, sum of squares Q and signed sum T, given rho."""
    rest = 1 - rho.square()
    return -n / 2 * rest.log() - (square - 2 * rho * signed) / (2 * rest)


def _cubic_roots(a_R: Tensor, b_R: Tensor, c_R: Tensor) -> Tensor:
    """The real roots of x^3 + a x^2 + b x + c, (R, 1 or 3) float64.

    By Vieta's and Cardano's formulas; a single root stands in every column. Where none
    has more than one there is one column.
    """
    q_R = (a_R.square() - 3 * b_R) / 9
    r_R = (2 * a_R**3 - 9 * a_R * b_R + 27 * c_R) / 54
    gap_R = r_R.square() - q_R**3
    big_R = -r_R.sign() * (r_R.abs() + gap_R.clamp_min(0).sqrt()).pow(1 / 3)
    one_R = big_R + torch.where(big_R == 0, 0.0, q_R / big_R)
    if not (gap_R < 0).any():
        return (one_R - a_R / 3).unsqueeze(1)
    size_R = q_R.clamp_min(0).sqrt()
    angle_R = (r_R / size_R**3).clamp(-1, 1).nan_to_num().acos()
    three_R3 = torch.stack(
        [-2 * size_R * ((angle_R + turn * 2 * math.pi) / 3).cos() for turn in range(3)],
        dim=1,
    )
    root_R3 = torch.where((gap_R < 0).unsqueeze(1), three_R3, one_R.unsqueeze(1))
    return root_R3 - a_R.unsqueeze(1) / 3


@functools.lru_cache(maxsize=32)
def _oracle(half: int, rho_max: float) -> OracleConstants:
    """Exact constants, to about 1e-12.

    Whatever the sign of rho, with r = |rho| and chi-squared X, X' of p degrees,

        LLR | y = 1  ~  r X / (1 - r) - r X' / (1 + r),

    and -LLR | y = 0 the same.
    """
    unit, weight = unit_legendre(200)
    share = betainc(half / 2, half / 2, (1 + rho_max * unit) / 2)
    # Small correlations leave small ratios, so many scales of t count: nodes in log r.
    depth = 40.0
    log_r = math.log(rho_max) - depth * unit
    r = np.exp(log_r)[:, None]

    def two_answers(t: np.ndarray) -> np.ndarray:
        one = (1 - 2j * t * r / (1 - r)) * (1 + 2j * t * r / (1 + r))
        power = np.exp(-half / 2 * np.log(one))
        found: np.ndarray = (depth * weight * r[:, 0] / rho_max) @ power
        return found**2

    return OracleConstants(
        accuracy=float(weight @ share), auc=chance_positive(two_answers, logarithmic())
    )


DEFAULT = CovarianceSign()
