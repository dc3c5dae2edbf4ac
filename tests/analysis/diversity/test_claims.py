"""Two papers' claims, put to tables whose truth is planted."""

import pandas as pd
import pytest

from icl_mlflow.analysis.diversity.claims import claims, last_rows
from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE
from tests.analysis.diversity.planted import POOLS, planted


def answers(table: pd.DataFrame) -> list[bool | None]:
    return [claim.answer for claim in claims(table)]


def test_what_is_planted_is_found() -> None:
    found = claims(planted())
    assert [claim.answer for claim in found] == [True, True, True, True]
    threshold, beyond, transience, rational = (claim.found for claim in found)
    assert "falls through one half at 64 (3 seeds" in threshold
    assert "at 1,024 tasks its excess risk out of the pool is lower by" in beyond
    assert " at 4, 16, 64 of the 5 of 5 pools whose models" in transience
    assert "r = 1.000" in rational


def test_models_that_never_memorise_have_no_threshold_and_no_transience() -> None:
    threshold, _, transience, _ = answers(planted(half=0.0))
    assert threshold is False
    assert transience is False


def test_an_account_that_does_not_fit_is_refused() -> None:
    *_, rational = claims(planted(noise=0.5))
    assert rational.answer is False


def test_seeds_that_disagree_and_one_alone_tell_nothing() -> None:
    table = planted()
    one = table[table["seed"] == 0]
    assert answers(one) == [None, None, None, None]
    others = table.copy()
    chosen = (others["seed"] == 2) & (others["pool"] == POOLS[-1])
    others.loc[chosen & (others["where"] == INSIDE), "share"] = 0.9
    others.loc[chosen & (others["where"] == OUTSIDE), "excess_risk"] = 2.0
    assert answers(others)[:2] == [None, None]
    assert {claim.verdict for claim in claims(one)} == {"cannot be told"}


def test_predictors_that_are_not_told_apart_tell_nothing() -> None:
    table = planted()
    table.loc[table["pool"] == POOLS[-1], "share"] = float("nan")
    threshold, *_ = claims(table)
    assert threshold.answer is None
    assert "undefined at 1,024" in threshold.found


def test_models_that_have_not_learned_tell_nothing() -> None:
    table = planted().assign(learned=False)
    assert answers(table) == [None, None, None, None]
    table = planted()
    early = table.assign(learned=table["step"] > 100)
    assert answers(early) == [True, True, True, True]


def test_the_last_checkpoint_counts() -> None:
    last = last_rows(planted(), INSIDE)
    assert len(last) == 3 * len(POOLS)
    assert set(last["step"]) == {2560}


def test_without_members_nothing_is_claimed() -> None:
    assert claims(pd.DataFrame()) == []


@pytest.mark.parametrize("claim", claims(planted()), ids=lambda one: one.paper)
def test_a_claim_is_one_sentence(claim: object) -> None:
    assert "\n" not in str(claim)
