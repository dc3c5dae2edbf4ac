"""The epoch in which a run leaves the plateau on which it only guesses."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from icl_mlflow.statistics.sample import check_level, finite_sample


def take_off_epoch(
    val_loss: ArrayLike,
    standard_error: ArrayLike,
    level: float = 0.95,
    *,
    guessing: float = math.log(2),
) -> int | None:
    """The first epoch, from 0, whose validation loss is surely below guessing's.

    One-sided z-test an epoch, at (1 - level) / epochs each (Bonferroni), so that the
    chance that a run that only guesses ever takes off is at most 1 - ``level``.

    Args:
        val_loss: mean log-loss of each epoch on the validation episodes, in nats.
        standard_error: of each of these means; one number serves for all.
        level: 1 minus the chance of a false take-off.
        guessing: the log-loss of whoever only guesses, in nats.

    Returns:
        The epoch, or None if the run never took off.

    Raises:
        ValueError: no epochs, a value that is not finite, or a negative standard error.

    >>> take_off_epoch([0.694, 0.692, 0.65, 0.55], 0.002)
    2
    """
    check_level(level)
    loss = finite_sample("val_loss", val_loss)
    error = finite_sample("standard_error", np.atleast_1d(standard_error))
    if len(error) not in {1, len(loss)} or error.min() < 0:
        raise ValueError(
            "standard_error must be one number, or one an epoch, and not negative"
        )
    reach = ndtri(1 - (1 - level) / len(loss)) * error
    below = np.flatnonzero(loss + reach < guessing)
    return int(below[0]) if len(below) else None
