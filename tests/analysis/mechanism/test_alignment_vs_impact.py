"""Alignment and impact of a head meet in one row, and their relation is found."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.alignment_vs_impact import ALIGNMENT_VS_IMPACT
from icl_mlflow.analysis.mechanism.component_ablation import COMPONENT_ABLATION
from icl_mlflow.analysis.mechanism.ov_alignment import OV_ALIGNMENT


def test_rows_are_those_of_the_two_analyses(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(n_heads=4)
    frame = ALIGNMENT_VS_IMPACT.measure(subject)
    ablation = COMPONENT_ABLATION.measure(subject).set_index(["way", "layer", "head"])
    alignment = OV_ALIGNMENT.measure(subject).set_index(["layer", "head"])
    assert len(frame) == 16
    for row in frame.to_dict("records"):
        head = (row["layer"], row["head"])
        harm = ablation.loc[(row["way"], *head), "excess_risk_increase"]
        assert row["impact"] == harm
        drop = ablation.loc[(row["way"], *head), "accuracy_drop"]
        assert row["accuracy_drop"] == drop
        assert row["alignment"] == alignment.loc[head, "alignment"]


def test_a_planted_relation_is_found() -> None:
    """Harm grows with the size of the alignment, whatever its sign."""
    alignment = [-0.9, -0.5, -0.1, 0.2, 0.4, 0.8]
    table = pd.DataFrame({"alignment": alignment, "layer": 1, "head": range(1, 7)})
    table = table.assign(impact=table["alignment"].abs(), way="mean")
    frame = pd.concat([table, table.assign(way="zero", impact=-table["alignment"])])
    frame = frame.assign(accuracy_drop=2 * frame["alignment"] - 1)
    numbers = ALIGNMENT_VS_IMPACT.summarise(frame)
    assert numbers["mean_size_spearman"] == pytest.approx(1)
    assert numbers["mean_size_pearson"] == pytest.approx(1)
    assert numbers["zero_spearman"] == pytest.approx(-1)
    exact = spearmanr(table["alignment"], table["impact"]).statistic
    assert numbers["mean_spearman"] == pytest.approx(exact)
    # On the published axis: Pearson of a straight line.
    assert numbers["accuracy_zero_pearson"] == pytest.approx(1)
    assert numbers["accuracy_mean_spearman"] == pytest.approx(1)


def test_the_figure_pools_the_heads_of_all_models(
    subject_of: Callable[..., Subject],
) -> None:
    tables = [
        ALIGNMENT_VS_IMPACT.measure(one).assign(model=one.name)
        for one in (subject_of(seed=seed) for seed in (0, 1, 2))
    ]
    drawn = ALIGNMENT_VS_IMPACT.draw(pd.concat(tables, ignore_index=True))
    assert all("24 heads" in axes.get_title() for axes in drawn.axes)
    assert all("Pearson" in axes.get_title() for axes in drawn.axes)
    assert [axes.get_ylabel() for axes in drawn.axes] == [
        *["increase in excess risk (nats)"] * 2,
        *["drop in accuracy"] * 2,
    ]


def test_pooled_numbers_are_over_the_heads_of_all_models() -> None:
    one = pd.DataFrame(
        {"alignment": [0.1, 0.2, 0.3, 0.4], "impact": [1.0, 2.0, 3.0, 4.0]}
    )
    other = pd.DataFrame({"alignment": [-0.4, 0.0, 0.5], "impact": [9.0, 0.5, 0.2]})
    frame = pd.concat([one, other], ignore_index=True).assign(way="mean")
    pooled = ALIGNMENT_VS_IMPACT.pool(frame)
    exact = spearmanr(frame["alignment"], frame["impact"]).statistic
    assert pooled["pooled_mean_spearman"].mean == pytest.approx(exact)
    assert pooled["pooled_mean_spearman"].n == 7
    assert math.isnan(pooled["pooled_mean_spearman"].low)


def test_heads_of_one_model_are_no_sample_of_models() -> None:
    """The interval is over models: heads that repeat each other narrow nothing."""
    rng = np.random.default_rng(0)

    def model(seed: int, copies: int) -> pd.DataFrame:
        alignment, impact = rng.standard_normal((2, 6))
        table = pd.DataFrame({"alignment": alignment, "impact": impact, "layer": 1})
        return pd.concat([table] * copies).assign(way="mean", model=f"seed{seed}")

    few = pd.concat([model(seed, 1) for seed in range(5)])
    many = pd.concat([few] * 4)
    one, other = (ALIGNMENT_VS_IMPACT.pool(frame) for frame in (few, many))
    narrow, wide = (p["pooled_mean_spearman"] for p in (other, one))
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=1e-6)
