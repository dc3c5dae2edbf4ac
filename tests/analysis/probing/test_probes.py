"""Probes find what a circuit holds, as well as is known, and what it uses."""

import pandas as pd
import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.probing.probes import PROBES
from tests.analysis.concluded import concluded


@pytest.fixture(scope="module")
def table(two_layers: Subject) -> pd.DataFrame:
    frame = PROBES.measure(two_layers)
    return frame.set_index(["place", "role", "statistic"]).sort_index()


#: Of task A in 16 dimensions, tau = 3: the variance of a coordinate of the mean of 33
#: points over that of a single point, which is how much of the one the other tells.
OF_ONE_POINT = (9 + (1 + 1 / 16) / 33) / (9 + 1 + 1 / 16)


@pytest.mark.parametrize(
    ("place", "role", "statistic", "known"),
    [
        ("embedding", "query", "mean", OF_ONE_POINT),
        ("layer 1", "query", "mean", 1.0),
        ("layer 2", "query", "mean", 1.0),
        ("embedding", "query", "signed_mean", 0.0),
        ("layer 1", "query", "signed_mean", 0.0),
        ("layer 1", "context", "signed_mean", 1.0),
        ("layer 2", "query", "signed_mean", 1.0),
        ("layer 2", "query", "bayes_logit", 1.0),
    ],
)
def test_what_is_held_is_told_as_well_as_is_known(
    table: pd.DataFrame, place: str, role: str, statistic: str, known: float
) -> None:
    row = table.loc[place, role, statistic]
    assert row["r2"] == pytest.approx(known, abs=0.02)
    assert row["r2_low"] <= row["r2"] <= row["r2_high"]
    assert row["shuffled"] < 0.02


def test_what_every_model_holds_is_not_selective(table: pd.DataFrame) -> None:
    # A token's own point tells the mean, and the mean over tokens is linear in them.
    for place, role in (("embedding", "query"), ("embedding", "context")):
        row = table.loc[place, role, "mean"]
        assert row["r2"] > 0.85
        assert row["selectivity"] == pytest.approx(0, abs=0.02)
    row = table.loc["layer 1", "query", "mean"]
    assert row["raw_features"] == pytest.approx(OF_ONE_POINT, abs=0.02)
    assert table.loc["layer 2", "query", "signed_mean"]["selectivity_low"] > 0.5


def test_the_slope_is_1_where_a_statistic_is_used_and_0_where_it_is_too_late(
    table: pd.DataFrame,
) -> None:
    for place, role, statistic in (
        ("layer 1", "query", "mean"),
        ("layer 1", "context", "signed_mean"),
        ("layer 2", "query", "bayes_logit"),
    ):
        row = table.loc[place, role, statistic]
        # The stream sums to 0, so all else moves a little the other way.
        assert row["slope"] == pytest.approx(1, abs=0.05), statistic
        assert row["slope_high"] - row["slope_low"] < 0.05
    for statistic in ("mean", "signed_mean"):
        assert table.loc["layer 2", "query", statistic]["slope"] == pytest.approx(
            0, abs=0.02
        )


def test_nothing_is_moved_where_it_would_tell_nothing(table: pd.DataFrame) -> None:
    slope = table["slope"]
    assert slope.loc["layer 2", "context"].isna().all()  # nobody reads it any more
    assert slope.loc[:, :, "bayes_entropy"].isna().all()
    assert slope[table["r2"] < 0.5].isna().all()


def planted(selectivity: float, slope: float) -> pd.DataFrame:
    rows = []
    for statistic in ("sum_x", "kappa"):
        row: dict[str, object] = {
            "place": "layer 1",
            "role": "query",
            "statistic": statistic,
            "needed": statistic == "sum_x",
        }
        for name, value in {
            "r2": 0.9, "selectivity": selectivity, "slope": slope
        }.items():  # fmt: skip
            row |= {name: value, f"{name}_low": value, f"{name}_high": value}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("selectivity", "slope", "answer"),
    [(0.5, 1.0, "Yes"), (0.5, 0.1, "No"), (0.01, 1.0, "No"), (0.5, 3.0, "No")],
)
def test_the_verdict_asks_for_both(
    selectivity: float, slope: float, answer: str
) -> None:
    said = concluded(PROBES, planted(selectivity, slope))
    assert said.startswith(f"{answer}: ")
    assert "sum_x beyond controls by" in said
    assert "kappa" not in said


def test_without_a_slope_it_cannot_be_told() -> None:
    said = concluded(PROBES, planted(0.5, float("nan")))
    assert said.startswith("Cannot be told: ")
    assert "slope undefined" in said
