"""What is said of a variant alone is that of its runs."""

import pytest

from icl_mlflow.analysis.ablation.group import Group, alone
from tests.analysis.ablation.planted import FULL, member


def test_a_group_counts_who_took_off_and_knows_what_bayes_expects() -> None:
    seeds = {s: member("easy", s, 0.1 + s / 100, took_off=s != 1) for s in range(3)}
    group = Group(name="easy", seeds=seeds, ceilings=FULL)
    assert group.took_off == [0, 2]
    row = alone(group, n_planned=4)
    assert (row["n_seeds"], row["n_planned"], row["took_off"]) == (3, 4, 2)
    assert row["excess_risk"] == pytest.approx(0.11, abs=1e-9)
    assert row["bayes_accuracy"] == 0.5  # of log-odds of 0
