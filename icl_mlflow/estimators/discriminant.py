r"""Gaussian discriminants: a mean a class, and one covariance or two, from the context.

With class means m_c and covariances S_c, the log-likelihood ratio of the query x is

    (x - m_0)^T S_0^-1 (x - m_0) / 2 - (x - m_1)^T S_1^-1 (x - m_1) / 2
      + log(det S_0 / det S_1) / 2                                          (nats),

linear in x where S_0 = S_1. What labels alone tell of the next one is added: nothing
where they are fair coins.
A context has about as many points as a covariance has parameters, hence the shrinkage

    (1 - shrinkage) S + shrinkage tr(S) / D I.

The points of a context without one of the classes say nothing to these rules: 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import has_both_classes, told_by_labels
from icl_mlflow.estimators.tuning import Tuned
from icl_mlflow.tasks.base import Task

_SHRINKAGES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
_SMALLEST_SAMPLE = 2  # points that a scatter can be seen in


@dataclass(frozen=True)
class IdentityDiscriminant:
    """Linear discriminant with the identity for a covariance: compares distances.

    Attributes:
        distance: between the class means, if it is known; task A has 2.
    """

    distance: float | None = None
    question: str = "Does the distance to the two class means suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """(m_1 - m_0) . (x - (m_0 + m_1) / 2): (B,) float64, nats."""
        mean_B2D = class_means(episodes)[1]
        apart_BD, middle_BD = mean_B2D[:, 1] - mean_B2D[:, 0], mean_B2D.mean(1)
        if self.distance is not None:
            apart_BD = self.distance * normalize(apart_BD, dim=-1)
        logit_B = (apart_BD * (episodes.query_x_BD.double() - middle_BD)).sum(-1)
        logit_B = logit_B.where(has_both_classes(episodes), 0.0)
        return logit_B + told_by_labels(task, episodes)


@dataclass(frozen=True)
class LinearDiscriminant:
    """Linear discriminant with the pooled covariance, shrunk.

    Attributes:
        shrinkage: 0 for the covariance as it is, 1 for a multiple of the identity.
    """

    shrinkage: float
    question: str = "Does a linear rule with an estimated covariance suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """(m_1 - m_0)^T S^-1 (x - (m_0 + m_1) / 2): (B,) float64, nats."""
        _, mean_B2D, scatter_B2DD = _class_moments(episodes)
        pooled_BDD = scatter_B2DD.sum(1) / max(episodes.n_context, 1)
        covariance_BDD = _shrunk(pooled_BDD, self.shrinkage)
        apart_BD, middle_BD = mean_B2D[:, 1] - mean_B2D[:, 0], mean_B2D.mean(1)
        normal_BD: Tensor = torch.linalg.solve(covariance_BDD, apart_BD)
        logit_B = (normal_BD * (episodes.query_x_BD.double() - middle_BD)).sum(-1)
        logit_B = logit_B.where(has_both_classes(episodes), 0.0)
        return logit_B + told_by_labels(task, episodes)


@dataclass(frozen=True)
class QuadraticDiscriminant:
    """Quadratic discriminant: a shrunk covariance for each class.

    A class with a single point takes the pooled covariance.

    Attributes:
        shrinkage: 0 for the covariances as they are, 1 for multiples of the identity.
    """

    shrinkage: float
    question: str = "Does a quadratic rule with estimated covariances suffice?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The log-likelihood ratio of two Gaussians: (B,) float64, nats."""
        count_B2, mean_B2D, scatter_B2DD = _class_moments(episodes)
        pooled_BDD = scatter_B2DD.sum(1) / max(episodes.n_context, 1)
        is_seen_B2 = (count_B2 >= _SMALLEST_SAMPLE)[..., None, None]
        own_B2DD = scatter_B2DD / count_B2.clamp_min(1)[..., None, None]
        covariance_B2DD = _shrunk(
            own_B2DD.where(is_seen_B2, pooled_BDD.unsqueeze(1)), self.shrinkage
        )
        offset_B2D = episodes.query_x_BD.double().unsqueeze(1) - mean_B2D
        whitened_B2D: Tensor = torch.linalg.solve(covariance_B2DD, offset_B2D)
        distance_B2 = (whitened_B2D * offset_B2D).sum(-1)
        log_det_B2: Tensor = torch.linalg.slogdet(covariance_B2DD).logabsdet
        density_B2 = -(distance_B2 + log_det_B2) / 2
        logit_B = density_B2[:, 1] - density_B2[:, 0]
        logit_B = logit_B.where(has_both_classes(episodes), 0.0)
        return logit_B + told_by_labels(task, episodes)


def class_means(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    """Membership (B, 2, N), class means (B, 2, D), context (B, N, D), all float64."""
    label_BN = episodes.context_y_BN.double()
    member_B2N = torch.stack([1 - label_BN, label_BN], dim=1)
    x_BND = episodes.context_x_BND.double()
    count_B21 = member_B2N.sum(-1, keepdim=True)
    return member_B2N, member_B2N @ x_BND / count_B21.clamp_min(1), x_BND


def _class_moments(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    """Counts (B, 2), means (B, 2, D) and sums of squares about them (B, 2, D, D)."""
    member_B2N, mean_B2D, x_BND = class_means(episodes)
    offset_B2ND = x_BND.unsqueeze(1) - mean_B2D.unsqueeze(2)
    weighted_B2ND = offset_B2ND * member_B2N.unsqueeze(-1)
    scatter_B2DD = weighted_B2ND.transpose(-2, -1) @ offset_B2ND
    return member_B2N.sum(-1), mean_B2D, scatter_B2DD


def _shrunk(covariance_DD: Tensor, shrinkage: float) -> Tensor:
    """A covariance, shrunk towards its mean variance times the identity."""
    identity_DD = torch.eye(covariance_DD.shape[-1], dtype=covariance_DD.dtype)
    identity_DD = identity_DD.to(covariance_DD.device)
    variance = covariance_DD.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    shrunk_DD = (1 - shrinkage) * covariance_DD + shrinkage * variance * identity_DD
    return shrunk_DD.where(variance > 0, identity_DD)


LDA_IDENTITY = IdentityDiscriminant()
LDA_KNOWN_DISTANCE = IdentityDiscriminant(
    distance=2.0,
    question="Do the two class means suffice, their distance known to be 2?",
)
LDA = Tuned(LinearDiscriminant.question, LinearDiscriminant, _SHRINKAGES)
QDA = Tuned(QuadraticDiscriminant.question, QuadraticDiscriminant, _SHRINKAGES)
