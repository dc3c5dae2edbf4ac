"""Rules that multiply coordinates of x: what linear rules cannot see.

Neither looks at a class mean. Their features are products of two coordinates, so that a
context's labels enter as signs of products; without context both answer 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import signs, told_by_labels
from icl_mlflow.estimators.tuning import Tuned
from icl_mlflow.tasks.base import Task

_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True)
class SignProduct:
    """Whether the halves of the query go together as the context's labels say.

    With x = (a, b), a last coordinate without partner left out, the mean of s a . b
    over the context times a . b of the query: task C's plug-in, where the correlation
    is small.
    """

    question: str = "Does multiplying the two halves of x suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The product of both: (B,) float64, a score."""
        signed_BN = signs(episodes) * _agreement(episodes.context_x_BND)
        mean_B = signed_BN.sum(1) / max(episodes.n_context, 1)
        score_B = mean_B * _agreement(episodes.query_x_BD)
        return score_B + told_by_labels(task, episodes)


@dataclass(frozen=True)
class SignedRidge:
    """Ridge regression of the last coordinate, signed by the label, on the others.

    With x = (u, t), w is fitted to the targets s t; the score is t (w . u) of the
    query: on task F what exact Bayes does, but for how sure it is.

    Attributes:
        penalty: of |w|^2, against the sum of squared errors; above 0.
    """

    penalty: float
    question: str = "Does regressing the last coordinate on the others suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The query's t times what is predicted of it: (B,) float64, a score."""
        u_BNP, last_BN = _split_last(episodes.context_x_BND)
        query_u_BP, query_last_B = _split_last(episodes.query_x_BD)
        penalty_P = torch.full_like(query_u_BP[0], self.penalty)
        gram_BPP = u_BNP.transpose(1, 2) @ u_BNP + penalty_P.diag()
        moment_BP = torch.einsum("bn,bnp->bp", signs(episodes) * last_BN, u_BNP)
        w_BP: Tensor = torch.linalg.solve(gram_BPP, moment_BP)
        score_B = query_last_B * (w_BP * query_u_BP).sum(-1)
        return score_B + told_by_labels(task, episodes)


def _agreement(x_D: Tensor) -> Tensor:
    """A . b of the two halves of the last axis: float64."""
    half = x_D.shape[-1] // 2
    wide_D = x_D.double()
    return (wide_D[..., :half] * wide_D[..., half : 2 * half]).sum(-1)


def _split_last(x_D: Tensor) -> tuple[Tensor, Tensor]:
    """All but the last coordinate, and the last: float64."""
    wide_D = x_D.double()
    return wide_D[..., :-1], wide_D[..., -1]


SIGN_PRODUCT = SignProduct()
SIGNED_RIDGE = Tuned(SignedRidge.question, SignedRidge, _PENALTIES)
