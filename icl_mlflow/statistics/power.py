"""Power of the paired t-test: seeds needed, and differences that can be seen.

Exact for the two-sided paired t-test on normal differences: under a true difference
the statistic is noncentral t with n - 1 degrees of freedom and noncentrality
difference / sd * sqrt(n).
"""

import math

from scipy.optimize import brentq
from scipy.special import gammaincinv, nctdtr

from icl_mlflow.statistics.interval import t_quantile
from icl_mlflow.statistics.sample import check_level

_FEWEST = 2  # seeds for which a standard deviation exists


def power(n: int, sd: float, difference: float, level: float = 0.95) -> float:
    """P(the paired t-test at ``level`` calls a true ``difference`` different).

    Args:
        n: pairs, one a seed; a single one can show nothing, which gives NaN.
        sd: standard deviation of the differences over seeds, above 0.
        difference: the true mean difference, in the units of ``sd``.
        level: 1 minus the chance of a false call.
    """
    _check_sd(sd)
    check_level(level)
    return _power(n, abs(difference) / sd, level)


def seeds_needed(
    sd: float, difference: float, power: float = 0.8, level: float = 0.95
) -> int:
    """The fewest seeds (at least 2) that see ``difference`` with chance ``power``.

    Raises:
        ValueError: a difference of 0, which no number of seeds can see.

    >>> seeds_needed(sd=2.0, difference=1.0)
    34
    """
    _check_sd(sd)
    check_level(level)
    check_level(power, "power")
    if not difference or not math.isfinite(difference):
        raise ValueError(f"difference must be finite and not 0, not {difference}")
    effect = abs(difference) / sd
    enough = _FEWEST
    while _power(enough, effect, level) < power:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if _power(middle, effect, level) < power:
            too_few = middle
        else:
            enough = middle
    return enough


def seeds_needed_range(
    sd: float,
    n: int,
    difference: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    certainty: float = 0.9,
) -> tuple[int, int]:
    """The seeds that `seeds_needed` may come to, given how little n seeds tell of sd.

    At both ends of the chi-square interval, at level ``certainty``, of the standard
    deviation of normal differences; so it holds the true number that often.

    Args:
        sd: of n differences, above 0.
        n: how many, at least 2.
        difference: to be seen.
        power: the chance to see it.
        level: 1 minus the chance of a false call.
        certainty: how often the range holds the true number.

    >>> seeds_needed_range(sd=0.01, n=5, difference=0.01)
    (6, 47)
    """
    tails = (1 + certainty) / 2, (1 - certainty) / 2
    # Twice the inverse of the incomplete gamma function is a quantile of chi^2.
    chi_2 = [2 * float(gammaincinv((n - 1) / 2, tail)) for tail in tails]
    ends = [sd * math.sqrt((n - 1) / quantile) for quantile in chi_2]
    low, high = (seeds_needed(end, difference, power, level) for end in ends)
    return low, high


def detectable_difference(
    sd: float, n: int, power: float = 0.8, level: float = 0.95
) -> float:
    """The smallest true difference that n seeds see with chance ``power``.

    NaN at n = 1: one seed can show nothing. In the units of ``sd``.
    """
    _check_sd(sd)
    check_level(level)
    check_level(power, "power")
    if power <= 1 - level:
        raise ValueError(f"power={power} must exceed 1 - level = {1 - level:g}")
    if n < _FEWEST:
        return math.nan
    largest = 1.0
    while _power(n, largest, level) < power:
        largest *= 2
    return sd * float(brentq(lambda e: _power(n, e, level) - power, 0.0, largest))


def _power(n: int, effect: float, level: float) -> float:
    if n < _FEWEST:
        return math.nan
    threshold = t_quantile(level, n - 1)
    shift = effect * math.sqrt(n)
    right_sign = float(1 - nctdtr(n - 1, shift, threshold))
    wrong_sign = float(nctdtr(n - 1, shift, -threshold))
    # scipy gives NaN for some wrong-sign tails, all of them below 1e-13.
    return right_sign + (0.0 if math.isnan(wrong_sign) else wrong_sign)


def _check_sd(sd: float) -> None:
    if not 0 < sd < math.inf:
        raise ValueError(f"sd must be finite and above 0, not {sd}")
