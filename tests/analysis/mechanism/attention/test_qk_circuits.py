"""Heads of different seeds are known again, in whatever order they stand."""

import pandas as pd
import pytest

from icl_mlflow.analysis.mechanism.attention.qk_circuits import (
    QK_CIRCUITS,
    with_roles,
)
from tests.analysis.concluded import concluded

HEADS = {
    "similarity": [0.9, -0.8, 0.1, 0.0],
    "alignment": [0.0, 0.7, -0.9, 0.1],
    "label_share": [0.1, 0.9, 0.8, 0.5],
}


def planted(order: list[int], aside: float = 0.0) -> pd.DataFrame:
    frame = pd.DataFrame(HEADS).iloc[order].reset_index(drop=True) + aside
    p = [0.001 if abs(value) > 0.5 else 1.0 for value in frame["similarity"]]
    return frame.assign(layer=1, head=[1, 2, 3, 4], rank=4.0, p=p)


def joined(*frames: pd.DataFrame) -> pd.DataFrame:
    named = [frame.assign(model=f"A-x-seed{seed}") for seed, frame in enumerate(frames)]
    return pd.concat(named, ignore_index=True)


def test_the_same_heads_in_another_order_have_the_same_roles() -> None:
    order = [2, 0, 3, 1]
    frame = joined(planted([0, 1, 2, 3]), planted(order, aside=0.02))
    roles = with_roles(frame)
    assert list(roles["role"][4:]) == [place + 1 for place in order]
    pooled = QK_CIRCUITS.pool(frame)
    assert pooled["layer_1_role_2_similarity"].mean == pytest.approx(-0.79)
    assert pooled["role_spread_similarity"].mean < 0.05


def test_heads_that_no_other_seed_has_spread_within_their_role() -> None:
    other = planted([0, 1, 2, 3])
    other["similarity"] = [0.0, 0.0, 0.9, -0.9]
    pooled = QK_CIRCUITS.pool(joined(planted([0, 1, 2, 3]), other))
    assert pooled["role_spread_similarity"].mean > 0.3


def test_one_model_has_no_others_to_be_matched_to() -> None:
    assert QK_CIRCUITS.pool(planted([0, 1, 2, 3])) == {}
    assert QK_CIRCUITS.pool(joined(planted([0, 1, 2, 3]))) == {}


def test_the_verdict_counts_heads_beyond_chance() -> None:
    said = concluded(QK_CIRCUITS, planted([0, 1, 2, 3]))
    assert said.startswith("Yes: 2 of 4 heads attend to points that are like or unlike")
    assert "layer.head 1.1 (+0.90), 1.2 (-0.80)" in said
    several = concluded(QK_CIRCUITS, *[planted([0, 1, 2, 3])] * 2)
    assert "matched by role over 2 seeds, heads keep 0% of their spread" in several
    none = planted([0, 1, 2, 3]).assign(p=1.0)
    assert concluded(QK_CIRCUITS, none).startswith("Cannot be told: 0 of 4 heads ")
