r"""A linear discriminant that looks for the few coordinates in which the means differ.

Of k unknown coordinates, each side of 0 as probable, the posterior mean of the
direction mu is, with v = 2 n_0 n_1 (m_1 - m_0) / n the evidence for it,

    E mu_j = (sinh_j / sqrt k) e_k-1(cosh of the others) / e_k(cosh of all),

cosh and sinh of v_j / sqrt k, e_k the elementary symmetric polynomial: a soft
threshold.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import has_both_classes, told_by_labels
from icl_mlflow.estimators.discriminant import class_means
from icl_mlflow.estimators.tuning import Tuned
from icl_mlflow.tasks.base import Task
from icl_mlflow.tasks.integrals.symmetric import log_elementary_symmetric

_NONZERO = (1, 2, 3, 4, 8, 16)


@dataclass(frozen=True)
class SparseDiscriminant:
    """Linear discriminant whose means differ in a few coordinates, which is not told.

    Unit covariance; a context without one of the classes says nothing.

    Attributes:
        nonzero: k, how many coordinates; all of them where there are fewer.
    """

    nonzero: int
    question: str = "Do the two class means suffice, if few of their coordinates count?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """2 mu . (x - (m_0 + m_1) / 2) at the posterior mean of mu: (B,) float64."""
        member_B2N, mean_B2D, _ = class_means(episodes)
        count_B2 = member_B2N.sum(-1)
        weight_B = count_B2.prod(1) / max(episodes.n_context, 1)
        evidence_BD = 2 * weight_B.unsqueeze(1) * (mean_B2D[:, 1] - mean_B2D[:, 0])
        mu_BD = _posterior_mean(evidence_BD, min(self.nonzero, episodes.dim))
        middle_BD = mean_B2D.mean(1)
        logit_B = 2 * (mu_BD * (episodes.query_x_BD.double() - middle_BD)).sum(-1)
        logit_B = logit_B.where(has_both_classes(episodes), 0.0)
        return logit_B + told_by_labels(task, episodes)


def _posterior_mean(evidence_BD: Tensor, nonzero: int) -> Tensor:
    """E mu where exp(evidence . mu) weighs every mu: (B, D)."""
    scaled_BD = evidence_BD / math.sqrt(nonzero)
    size_BD = scaled_BD.abs()
    log_cosh_BD = size_BD + (-2 * size_BD).exp().log1p() - math.log(2)
    log_all_B1 = log_elementary_symmetric(log_cosh_BD, nonzero).unsqueeze(1)
    dim = evidence_BD.shape[1]
    others_DD = 1 - torch.eye(dim, dtype=torch.int64, device=evidence_BD.device)
    place_DO = others_DD.nonzero()[:, 1].view(dim, dim - 1)
    log_rest_R = log_elementary_symmetric(
        log_cosh_BD[:, place_DO].flatten(0, 1), nonzero - 1
    )
    log_rest_BD = log_rest_R.view_as(log_cosh_BD)
    log_share_BD = log_rest_BD + log_cosh_BD - log_all_B1
    return scaled_BD.tanh() * log_share_BD.exp() / math.sqrt(nonzero)


LDA_SPARSE = Tuned(SparseDiscriminant.question, SparseDiscriminant, _NONZERO)
