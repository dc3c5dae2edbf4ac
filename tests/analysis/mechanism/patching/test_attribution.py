"""Estimates are judged by how near they come to exact effects."""

import numpy as np
import pandas as pd
import pytest

from icl_mlflow.analysis.mechanism.patching.attribution import ATTRIBUTION_PATCHING
from tests.analysis.concluded import concluded


def planted(estimate: "np.ndarray") -> pd.DataFrame:
    effect = np.linspace(-1, 3, 12)
    columns = {"moved": effect, "estimate": estimate}
    ends = {
        f"{name}_{end}": value for name, value in columns.items()
        for end in ("low", "high")
    }  # fmt: skip
    parts = [f"head 1.{head}" for head in range(1, 13)]
    return pd.DataFrame({"part": parts, **columns, **ends}).assign(
        pair="label flip", kind="head", tokens="all", effect=effect, risk_estimate=0.0
    )


def test_the_error_is_told_in_full() -> None:
    effect = np.linspace(-1, 3, 12)
    near = planted(effect + 0.05 * np.cos(range(12)))
    said = concluded(ATTRIBUTION_PATCHING, near)
    assert said.startswith("Yes: ")
    doubled = planted(2 * effect)
    numbers = ATTRIBUTION_PATCHING.summarise(doubled)
    assert numbers["agreement"] == pytest.approx(1)
    assert numbers["label_flip_relative_error"] == pytest.approx(1)
    assert numbers["label_flip_wrong_signs"] == 0
    assert numbers["label_flip_risk_relative_error"] == pytest.approx(1)
    turned = planted(-effect)
    said = concluded(ATTRIBUTION_PATCHING, turned)
    assert said.startswith("No: ")
    assert "200% of the mean effect, and 100% have the wrong sign;" in said
