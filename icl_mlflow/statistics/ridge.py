r"""Ridge regression, judged on every case by the fit without it, in closed form.

With centred features X = U S V^T and penalty lambda the fit is
U S^2 / (S^2 + lambda) U^T y, and case i has the leverage

    h_i = 1/n + sum_j U_ij^2 S_j^2 / (S_j^2 + lambda).

Its error by the fit to all other cases, intercept included, is e_i / (1 - h_i).
"""

from dataclasses import dataclass

import numpy as np

from icl_mlflow.statistics.interval import Interval, t_interval
from icl_mlflow.statistics.sample import Sample, finite_array

#: As shares of the mean square of the singular values.
_PENALTIES = (1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How well targets are told from features, case by case, each left out of the fit.

    Attributes:
        coefficients: of the fit to all cases: (p, k).
        error: of each case's prediction by the fit to all others: (n, k).
        baseline: of each case's prediction by the mean of all others: (n, k).
    """

    coefficients: Sample
    error: Sample
    baseline: Sample

    @property
    def r2(self) -> Interval:
        """The share of the targets' variance that is told, with its 95 % interval."""
        return t_interval(self.gain)

    @property
    def gain(self) -> Sample:
        """One value a case, whose mean is R^2 and whose spread is that of R^2: (n,).

        R^2 is a ratio of two means; these are its linearisation.
        """
        error, baseline = (np.square(e).sum(1) for e in (self.error, self.baseline))
        whole = float(baseline.mean())
        r2 = 1 - float(error.mean()) / whole
        told: Sample = r2 + ((1 - r2) * baseline - error) / whole
        return told


class Ridge:
    """Features that several targets are told from.

    Args:
        features: (n, p), one row a case.

    Raises:
        ValueError: a value that is not finite.

    >>> features = np.arange(12.0).reshape(6, 2) ** 2
    >>> round(Ridge(features).fit(features @ [[1.0], [2.0]]).r2.mean, 6)
    1.0
    """

    def __init__(self, features: Sample) -> None:
        sample = finite_array("features", features)
        centred = sample - sample.mean(0)
        self._u, self._s, self._vt = np.linalg.svd(centred, full_matrices=False)
        self._scale = float(np.square(self._s).mean()) or 1.0

    def fit(self, targets: Sample) -> LeftOut:
        """Tell targets (n, k) together, with the penalty that leaves least error.

        That choice looks at all cases: among so few penalties it flatters by little.

        Raises:
            ValueError: a value that is not finite.
        """
        sample = finite_array("targets", targets)
        n = len(sample)
        baseline = (sample - sample.mean(0)) * n / (n - 1)
        found = [self._left_out(sample, share * self._scale) for share in _PENALTIES]
        errors = [np.square(error).sum() for _, error in found]
        coefficients, error = found[int(np.argmin(errors))]
        return LeftOut(coefficients=coefficients, error=error, baseline=baseline)

    def _left_out(self, targets: Sample, penalty: float) -> tuple[Sample, Sample]:
        centred = targets - targets.mean(0)
        shrunk = np.square(self._s) / (np.square(self._s) + penalty)
        along = self._u.T @ centred
        leverage = 1 / len(targets) + np.square(self._u) @ shrunk
        error = (centred - self._u @ (shrunk[:, None] * along)) / (1 - leverage)[
            :, None
        ]
        inverse = self._s / (np.square(self._s) + penalty)
        return self._vt.T @ (inverse[:, None] * along), error
