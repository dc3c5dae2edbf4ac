"""The account's constants are found where the shares obey it."""

import pytest

from icl_mlflow.analysis.diversity.measure import INSIDE
from icl_mlflow.analysis.diversity.rational import rational_fit
from tests.analysis.diversity.planted import planted


def test_planted_constants_are_found() -> None:
    fit = rational_fit(planted())
    assert fit is not None
    assert fit.alpha == pytest.approx(0.5, abs=0.02)
    assert fit.beta == pytest.approx(0.6, abs=0.02)
    assert fit.r.low > 0.999
    assert len(fit.table) == 5 * 3 * 7


def test_too_few_or_equal_shares_are_not_fitted() -> None:
    table = planted()
    assert rational_fit(table[table["pool"] == 4].head(4)) is None
    assert rational_fit(table.assign(share=0.5)) is None
    assert rational_fit(table[table["where"] != INSIDE]) is None
