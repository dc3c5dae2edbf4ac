r"""The rational account of the memorising share: what is gained against what it costs.

arXiv 2506.17859 sees training as updating the odds between the two strategies by their
loss and their complexity. After N answers, with L the nats that memorising gains an
answer in the pool, and C numbers to remember, it says

    share = sigmoid(gamma N^(1 - alpha) L - (kappa C)^beta).

The four constants are fitted to the shares of all pools and checkpoints together by
least squares. C is proportional to the size of the pool, to which kappa adapts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit

from icl_mlflow.analysis.diversity.measure import INSIDE
from icl_mlflow.statistics import Interval, order_interval

#: Beginnings of the search for the constants: gain, exponent of N, cost, exponent of C.
_STARTS = tuple(
    (gain, power, cost, exponent)
    for gain in (-4.0, 0.0)
    for power in (0.3, 0.8)
    for cost in (-6.0, -2.0)
    for exponent in (0.5, 1.5)
)
_LOW = (-30.0, 0.0, -20.0, 0.05)
_HIGH = (10.0, 1.0, 10.0, 5.0)
#: Shares that four constants can be fitted to and still be wrong about.
_FEWEST = 8


@dataclass(frozen=True)
class RationalFit:
    """The account, fitted.

    Attributes:
        alpha, beta, gamma, kappa: its constants.
        table: the rows it was fitted to, with the column ``predicted``.
        r: the correlation of predicted and measured shares, by seed.
    """

    alpha: float
    beta: float
    gamma: float
    kappa: float
    table: pd.DataFrame
    r: Interval


def rational_fit(table: pd.DataFrame) -> RationalFit | None:
    """Fit the account to the shares in the pool; None where there are too few.

    Those of models that have not learned yet are left out: they have no strategy.

    Args:
        table: of `icl_mlflow.analysis.diversity.measure.table_of`.
    """
    is_told = table["share"].notna() & table["learned"]
    rows = table[(table["where"] == INSIDE) & is_told].copy()
    if len(rows) < _FEWEST or rows["share"].nunique() == 1:
        return None
    share, pool = rows["share"].to_numpy(), rows["pool"].to_numpy(float)
    answers, gain = rows["answers"].to_numpy(float), rows["other_risk"].to_numpy()

    def predicted(constants: np.ndarray) -> np.ndarray:
        log_gamma, power, log_kappa, beta = constants
        worth = np.exp(log_gamma) * answers**power * gain
        found: np.ndarray = expit(worth - (np.exp(log_kappa) * pool) ** beta)
        return found

    fits = [
        least_squares(lambda c: predicted(c) - share, start, bounds=(_LOW, _HIGH))
        for start in _STARTS
    ]
    best = min(fits, key=lambda fit: float(fit.cost)).x
    rows["predicted"] = predicted(best)
    return RationalFit(
        alpha=float(1 - best[1]),
        beta=float(best[3]),
        gamma=float(np.exp(best[0])),
        kappa=float(np.exp(best[2])),
        table=rows,
        r=order_interval([_correlation(part) for _, part in rows.groupby("seed")]),
    )


def _correlation(rows: pd.DataFrame) -> float:
    """0 where either does not vary."""
    found = rows["share"].corr(rows["predicted"]) if len(rows) > 1 else 0.0
    return 0.0 if np.isnan(found) else float(found)
