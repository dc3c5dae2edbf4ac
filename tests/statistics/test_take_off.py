"""A run takes off when its loss is surely below that of guessing, and not before."""

import math

import numpy as np
import pytest

from icl_mlflow.statistics import take_off_epoch

LN_2 = math.log(2)


def test_the_first_epoch_that_is_surely_below_ln_2() -> None:
    # Of 4 epochs each is tested at .05 / 4, which is 2.24 standard errors.
    losses = [LN_2 + 0.01, LN_2 - 0.0223, LN_2 - 0.0225, 0.3]
    assert take_off_epoch(losses, 0.01) == 2
    assert take_off_epoch(losses, [0.01, 0.001, 0.01, 0.01]) == 1


def test_a_run_that_only_guesses_never_takes_off() -> None:
    assert take_off_epoch([LN_2, LN_2 + 0.1, LN_2 - 1e-4], 0.001) is None
    assert take_off_epoch([LN_2], 0.0) is None


def test_false_take_offs_are_as_rare_as_claimed() -> None:
    rng = np.random.default_rng(0)
    n_runs, error = 3_000, 0.004
    losses = LN_2 + error * rng.normal(size=(n_runs, 20))
    took_off = np.mean([take_off_epoch(run, error) is not None for run in losses])
    exact = 1 - (1 - 0.05 / 20) ** 20
    spread = math.sqrt(exact * (1 - exact) / n_runs)
    assert took_off == pytest.approx(exact, abs=3 * spread)


def test_standard_errors_that_do_not_fit_are_refused() -> None:
    for bad in ([0.1, 0.1], [-0.1]):
        with pytest.raises(ValueError, match="standard_error must be one number"):
            take_off_epoch([0.6, 0.5, 0.4], bad)
    with pytest.raises(ValueError, match=r"val_loss\[0\] is nan"):
        take_off_epoch([math.nan], 0.1)
