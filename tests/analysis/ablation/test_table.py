"""The table for readers: means with their ends, nothing where nothing is known."""

import pandas as pd

from icl_mlflow.analysis.ablation.effects import measure
from icl_mlflow.analysis.ablation.table import readable
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from tests.analysis.ablation.planted import CHANCE, FULL, member, pair


def table_of(gaps: list[float]) -> pd.DataFrame:
    found = measure(pair("worse", gaps), {"baseline": FULL, "worse": FULL})
    return readable(with_verdicts(found)).set_index("variant")


def test_a_mean_stands_with_the_lowest_and_the_highest_seed() -> None:
    row = table_of([0.05, 0.06, 0.04]).loc["worse"]
    assert row["minus baseline (nats)"] == "0.0500 (0.0400 to 0.0600)"
    assert row["excess risk (nats)"] == "0.1500 (0.1400 to 0.1600)"
    assert row["each seed"] == "0.1500 0.1600 0.1400"
    assert row["each difference"] == "+0.0500 +0.0600 +0.0400"
    assert (row["took off"], row["at epoch"]) == ("3/3", "1")
    assert row["verdict"].startswith("hurt: by 0.0500 nats")


def test_the_baseline_is_compared_with_nothing() -> None:
    row = table_of([0.05, 0.06, 0.04]).loc["baseline"]
    compared = ["minus baseline (nats)", "p, taking off", "p, difference"]
    assert list(row[compared]) == ["", "", ""]
    assert row["information shown"] == row["ideal learner"] == "0.7900"


def test_one_seed_has_no_ends() -> None:
    row = table_of([0.05]).loc["worse"]
    assert row["excess risk (nats)"] == "0.1500"


def test_a_suite_without_a_comparison_has_the_same_columns() -> None:
    stuck = [member("no_labels", seed, 0.2, took_off=False) for seed in range(3)]
    found = readable(with_verdicts(measure(stuck, {"no_labels": CHANCE})))
    assert list(found) == list(table_of([0.05]).reset_index())
    assert found.loc[0, "at epoch"] == ""
    assert found.loc[0, "ideal learner"] == "0.5000"
