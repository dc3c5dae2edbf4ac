r"""Logistic regression on probabilities: the convex fit of log-odds that are linear.

The mean Kullback-Leibler divergence from given probabilities to sigma(x . w + b) has
one minimum, found by Newton's method.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from icl_mlflow.statistics.sample import Sample, finite_array, finite_sample

#: Keeps the minimum where features leave it open; in units of their own spread.
_PENALTY = 1e-8
#: Singular values below this share of the largest are rounding.
_NOISE = 1e-7
_STEPS, _CLOSE = 60, 1e-12


@dataclass(frozen=True, kw_only=True)
class SoftLogistic:
    """Log-odds that are linear in features.

    Attributes:
        weight: (p,).
        bias: the log-odds where all features are 0.
    """

    weight: Sample
    bias: float

    def logit(self, features: Sample) -> Sample:
        """The log-odds of features (n, p): (n,)."""
        found: Sample = features @ self.weight + self.bias
        return found


def soft_logistic(features: Sample, logits: Sample) -> SoftLogistic:
    """The linear log-odds nearest to given ones.

    Args:
        features: (n, p).
        logits: (n,), the given log-odds.

    Raises:
        ValueError: a value that is not finite.

    >>> features = np.random.default_rng(0).normal(size=(50, 2))
    >>> found = soft_logistic(features, 1 + features @ [2.0, -3.0])
    >>> found.weight.round(3).tolist(), round(found.bias, 3)
    ([2.0, -3.0], 1.0)
    """
    sample, target = finite_array("features", features), finite_sample("logits", logits)
    centre = sample.mean(0)
    u, s, vt = np.linalg.svd(sample - centre, full_matrices=False)
    kept = s > _NOISE * s.max(initial=0.0)
    n = len(target)
    # Whitened, so that Newton's steps are well conditioned; the bias comes first.
    whitened = np.column_stack([np.ones(n), u[:, kept] * np.sqrt(n)])
    solution = _newton(whitened, expit(target))
    weight = vt[kept].T @ (solution[1:] * np.sqrt(n) / s[kept])
    return SoftLogistic(weight=weight, bias=float(solution[0] - centre @ weight))


def _newton(features: Sample, probability: Sample) -> Sample:
    n, width = features.shape
    penalty = np.full(width, _PENALTY)
    penalty[0] = 0.0
    solution = np.zeros(width)
    best = _loss(features, probability, solution, penalty)
    for _ in range(_STEPS):
        p = expit(features @ solution)
        slope = features.T @ (p - probability) / n + penalty * solution
        curvature = (features.T * (p * (1 - p))) @ features / n + np.diag(penalty)
        curvature[np.diag_indices(width)] += _CLOSE
        step = np.linalg.solve(curvature, slope)
        size, reached = 1.0, best
        while size > _CLOSE:
            reached = _loss(features, probability, solution - size * step, penalty)
            if reached <= best:
                break
            size /= 2
        solution = solution - size * step
        if best - reached < _CLOSE:
            break
        best = reached
    return solution


def _loss(
    features: Sample, probability: Sample, solution: Sample, penalty: Sample
) -> float:
    logit = features @ solution
    loss = np.logaddexp(0.0, logit) - probability * logit
    return float(loss.mean() + (penalty * np.square(solution)).sum() / 2)
