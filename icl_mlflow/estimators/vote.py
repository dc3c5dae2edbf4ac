r"""Rules by which context points vote for their own label: neighbours and kernels.

The answer is the weighted vote sum_i w_i s_i in [-1, 1] with s_i = -1 or +1 and weights
that sum to one, so it is a score; without context nobody votes, and it is 0. Kernel
weights are softmax(similarity), which makes the vote the Nadaraya-Watson estimate of
the sign, and one head of attention with a fixed similarity.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import signs
from icl_mlflow.estimators.tuning import Tuned
from icl_mlflow.tasks.base import Task

_NEIGHBOURS = (1, 3, 5, 9, 15, 21, 31)
_BANDWIDTHS = (0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 4.0)
#: Width of one attention head of the paper's model, which scales its dot products.
_HEAD_WIDTH = 32


@dataclass(frozen=True)
class NearestNeighbours:
    """The k nearest context points have one vote each; all of them if there are fewer.

    Attributes:
        k: voters.
    """

    k: int
    question: str = "Does asking the nearest context points suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The vote: (B,) float64, in [-1, 1]."""
        del task
        k = min(self.k, episodes.n_context)
        nearest = _square_distance(episodes).topk(k, dim=1, largest=False).indices
        return signs(episodes).gather(1, nearest).sum(1) / max(k, 1)


@dataclass(frozen=True)
class KernelDot:
    """Weights exp(x_q . x_i / sqrt(32)): the kernel that the paper compares with.

    It is not invariant under a shift of x.
    """

    question: str = "Is the model a kernel vote by dot products, as the paper asks?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The vote: (B,) float64, in [-1, 1]."""
        del task
        query_BD1 = episodes.query_x_BD.double().unsqueeze(-1)
        product_BN = (episodes.context_x_BND.double() @ query_BD1)[..., 0]
        return _kernel_vote(product_BN / math.sqrt(_HEAD_WIDTH), episodes)


@dataclass(frozen=True)
class KernelRBF:
    """Weights exp(-|x_q - x_i|^2 / 2 h^2), invariant under a shift of x.

    Attributes:
        bandwidth: h / sqrt(D).
    """

    bandwidth: float
    question: str = "Does a kernel vote by distance suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The vote: (B,) float64, in [-1, 1]."""
        del task
        variance = self.bandwidth**2 * episodes.query_x_BD.shape[-1]
        return _kernel_vote(-_square_distance(episodes) / (2 * variance), episodes)


@dataclass(frozen=True)
class KernelLogNorm:
    """Weights exp(-(log |x_q| - log |x_i|)^2 / 2 h^2): compares only lengths.

    Attributes:
        bandwidth: h sqrt(2 D), which is h in standard deviations of log |x| when x is
            normal.
    """

    bandwidth: float
    question: str = "Does a kernel vote by the length of x suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The vote: (B,) float64, in [-1, 1]."""
        del task
        variance = self.bandwidth**2 / (2 * episodes.query_x_BD.shape[-1])
        gap_BN = _log_norm(episodes.context_x_BND)
        gap_BN = gap_BN - _log_norm(episodes.query_x_BD).unsqueeze(-1)
        return _kernel_vote(-gap_BN.square() / (2 * variance), episodes)


def _square_distance(episodes: Episodes) -> Tensor:
    """Squared distance of each context point from the query: (B, N) float64."""
    query_B1D = episodes.query_x_BD.double().unsqueeze(1)
    return (episodes.context_x_BND.double() - query_B1D).square().sum(-1)


def _log_norm(x_D: Tensor) -> Tensor:
    """The log of the norm along the last axis: float64, finite at x = 0."""
    square = x_D.double().square().sum(-1)
    return square.clamp_min(torch.finfo(torch.float64).tiny).log() / 2


def _kernel_vote(similarity_BN: Tensor, episodes: Episodes) -> Tensor:
    return (similarity_BN.softmax(-1) * signs(episodes)).sum(-1)


KNN = Tuned(NearestNeighbours.question, NearestNeighbours, _NEIGHBOURS)
KERNEL_DOT = KernelDot()
KERNEL_RBF = Tuned(KernelRBF.question, KernelRBF, _BANDWIDTHS)
KERNEL_LOG_NORM = Tuned(KernelLogNorm.question, KernelLogNorm, _BANDWIDTHS)
