"""Samples: at least one number, all of them finite."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Sample = NDArray[np.float64]


def finite_sample(name: str, values: ArrayLike) -> Sample:
    """``values`` as a float64 vector.

    A NaN is refused rather than dropped: a run that diverged must not leave the mean
    of those that did not.

    Raises:
        ValueError: names the argument, and the first entry that is not finite.

    >>> finite_sample("losses", [0.5, float("nan")])
    Traceback (most recent call last):
    ...
    ValueError: losses[1] is nan; every value must be a finite number
    """
    sample = finite_array(name, values)
    if sample.ndim != 1:
        raise ValueError(
            f"{name} must be a list of numbers, not {sample.ndim}-dimensional"
        )
    return sample


def finite_array(name: str, values: ArrayLike) -> Sample:
    """``values`` as a float64 array of any shape, not empty.

    Raises:
        ValueError: names the argument, and the first entry that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{name} is empty; give at least one value")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        index = "".join(f"[{i}]" for i in where)
        raise ValueError(
            f"{name}{index} is {array[where]}; every value must be a finite number"
        )
    return array


def check_level(level: float, name: str = "level") -> None:
    """Refuse a probability outside (0, 1), such as 95 for 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"{name} must be between 0 and 1, not {level}")
