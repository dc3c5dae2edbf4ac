"""Linear rules fitted to the context's labels: logistic and ridge regression.

Both penalise the squared weights and leave the intercept free.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import has_both_classes, signs
from icl_mlflow.estimators.tuning import Tuned
from icl_mlflow.tasks.base import Task

_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_MOST_STEPS = 50
_CONVERGED = 1e-10  # largest change of a weight in the last step
#: Shares of a Newton step to choose from: the whole one near the optimum.
_SHARES = tuple(0.5**k for k in range(8))


@dataclass(frozen=True)
class Logistic:
    """Logistic regression by Newton's method, all episodes at once.

    A context without one of the classes has no finite optimum: log-odds 0.

    Attributes:
        penalty: of |w|^2 / 2, against the sum of the log-losses in nats; above 0.
    """

    penalty: float
    question: str = "Does fitting a linear boundary to the context suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The fitted w . x + b: (B,) float64, nats."""
        del task
        logit_B = episodes.query_x_BD.new_zeros(len(episodes), dtype=torch.float64)
        both_B = has_both_classes(episodes)
        if both_B.any():
            # Centring changes nothing but the conditioning of Newton's system.
            x_BND, query_BD = _centred(episodes)
            weight_BF = self._fit(_with_one(x_BND[both_B]), signs(episodes)[both_B])
            logit_B[both_B] = (_with_one(query_BD[both_B]) * weight_BF).sum(-1)
        return logit_B

    def _fit(self, feature_BNF: Tensor, sign_BN: Tensor) -> Tensor:
        """Weights and, last, the intercept: (B, D + 1)."""
        penalty_F = torch.full_like(feature_BNF[0, 0], self.penalty)
        penalty_F[-1] = 0.0
        found_BF = feature_BNF.new_zeros(len(sign_BN), feature_BNF.shape[-1])
        weight_BF = found_BF
        # Episodes that have converged take no more part.
        open_B = torch.arange(len(sign_BN), device=sign_BN.device)
        for _ in range(_MOST_STEPS):
            weight_BF, change_B = _newton(weight_BF, feature_BNF, sign_BN, penalty_F)
            found_BF[open_B] = weight_BF
            goes_on_B = change_B >= _CONVERGED
            if not goes_on_B.any():
                break
            open_B, weight_BF = open_B[goes_on_B], weight_BF[goes_on_B]
            feature_BNF, sign_BN = feature_BNF[goes_on_B], sign_BN[goes_on_B]
        return found_BF


def _newton(
    weight_BF: Tensor, feature_BNF: Tensor, sign_BN: Tensor, penalty_F: Tensor
) -> tuple[Tensor, Tensor]:
    """The weights after one step of Newton's method, and how far the whole step is.

    Far from the optimum a whole step can overshoot; then its best share is taken.
    """
    margin_BN = sign_BN * (feature_BNF @ weight_BF.unsqueeze(-1))[..., 0]
    wrong_BN = (-margin_BN).sigmoid()
    gradient_BF = ((sign_BN * wrong_BN).unsqueeze(1) @ feature_BNF)[:, 0]
    gradient_BF = gradient_BF - penalty_F * weight_BF
    curved_BNF = (wrong_BN * (1 - wrong_BN)).unsqueeze(-1) * feature_BNF
    hessian_BFF = feature_BNF.transpose(1, 2) @ curved_BNF + penalty_F.diag()
    step_BF: Tensor = torch.linalg.solve(hessian_BFF, gradient_BF)
    gain_BN = sign_BN * (feature_BNF @ step_BF.unsqueeze(-1))[..., 0]

    def loss(share: float, rows: Tensor | slice) -> Tensor:
        tried_BF = weight_BF[rows] + share * step_BF[rows]
        loss_B = softplus(-(margin_BN[rows] + share * gain_BN[rows])).sum(-1)
        return loss_B + (penalty_F * tried_BF.square()).sum(-1) / 2

    share_B = weight_BF.new_ones(len(weight_BF))
    # Of equal losses, as at the optimum, the whole step is as good.
    (worse_B,) = torch.where(loss(1.0, slice(None)) > loss(0.0, slice(None)))
    if len(worse_B):
        loss_TB = torch.stack([loss(share, worse_B) for share in _SHARES])
        share_B[worse_B] = share_B.new_tensor(_SHARES)[loss_TB.argmin(0)]
    return weight_BF + share_B.unsqueeze(-1) * step_BF, step_BF.abs().amax(-1)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression on the labels as -1 and +1.

    Attributes:
        penalty: of |w|^2, against the sum of squared errors; above 0.
    """

    penalty: float
    question: str = "Does regressing the labels on x suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The predicted sign: (B,) float64, a score."""
        del task
        x_BND, query_BD = _centred(episodes)
        sign_BN = signs(episodes)
        mean_B = sign_BN.sum(1) / max(episodes.n_context, 1)
        penalty_DD = self.penalty * torch.eye(
            x_BND.shape[-1], dtype=torch.float64, device=x_BND.device
        )
        gram_BDD = x_BND.transpose(1, 2) @ x_BND + penalty_DD
        moment_BD = (sign_BN.unsqueeze(1) @ x_BND)[:, 0]
        weight_BD: Tensor = torch.linalg.solve(gram_BDD, moment_BD)
        return (weight_BD * query_BD).sum(-1) + mean_B


def _centred(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """Context and query about the context's mean: (B, N, D) and (B, D), float64."""
    x_BND = episodes.context_x_BND.double()
    mean_BD = x_BND.sum(1) / max(episodes.n_context, 1)
    return x_BND - mean_BD.unsqueeze(1), episodes.query_x_BD.double() - mean_BD


def _with_one(x_D: Tensor) -> Tensor:
    """A feature that is always 1, last: (..., D + 1)."""
    return torch.cat([x_D, torch.ones_like(x_D[..., :1])], dim=-1)


LOGISTIC = Tuned(Logistic.question, Logistic, _PENALTIES)
RIDGE = Tuned(Ridge.question, Ridge, _PENALTIES)
