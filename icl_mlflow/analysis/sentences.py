"""Numbers in sentences: an interval, and what that rests on."""

from icl_mlflow.statistics import Interval, order_chance

#: From so many seeds on an interval of order statistics holds the median at .95.
ENOUGH_SEEDS = 6


def seeds_phrase(interval: Interval, digits: int = 4) -> str:
    """What a few seeds say: their range; of six or more, where the median lies.

    >>> seeds_phrase(Interval(0.019, 0.0103, 0.0341, 3))
    '3 seeds: 0.0103 to 0.0341'
    >>> seeds_phrase(Interval(0.019, 0.0103, 0.0341, 10))
    'median of 10 seeds: 0.0103 to 0.0341, 98 %'
    >>> seeds_phrase(Interval(0.019, float("nan"), float("nan"), 1))
    '1 seed'
    """
    if interval.n == 1:
        return "1 seed"
    ends = f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"
    if interval.n < ENOUGH_SEEDS:
        return f"{interval.n} seeds: {ends}"
    return f"median of {interval.n} seeds: {ends}, {_chance(interval.n)}"


def band_meaning(n_seeds: int) -> str:
    """What a band of `order_interval` around several seeds is, for captions.

    >>> band_meaning(3), band_meaning(10)
    ('range of the seeds', 'where the median lies, 98 %')
    """
    if n_seeds < ENOUGH_SEEDS:
        return "range of the seeds"
    return f"where the median lies, {_chance(n_seeds)}"


def _chance(n: int) -> str:
    return f"{100 * order_chance(n):.0f} %"
