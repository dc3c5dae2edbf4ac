"""The learning curves of a suite's runs, and the paper's own table of their ends."""

import math
from collections.abc import Sequence

import pandas as pd

from icl_mlflow.statistics import normal_interval_paper
from icl_mlflow.training.results import MemberResult


def history(members: Sequence[MemberResult]) -> pd.DataFrame:
    """The learning curves of all members: ``variant``, ``seed``, ``epoch``, metrics."""
    frames = [
        member.history.assign(variant=member.variant, seed=member.seed)
        for member in members
    ]
    return pd.concat(frames, ignore_index=True)


def paper_table(curves: pd.DataFrame, by: Sequence[str] = ("variant",)) -> pd.DataFrame:
    """The paper's own table: last-epoch accuracies with its 1.96-interval.

    Args:
        curves: one row a run and epoch: of `history`.
        by: columns that tell the rows of the table apart; runs that agree in them
            differ in their seed alone.
    """
    last = curves.sort_values("epoch", kind="stable").groupby([*by, "seed"]).tail(1)
    rows = []
    for key, group in last.sort_index().groupby(list(by), sort=False):
        row: dict[str, object] = dict(zip(by, key, strict=True))
        row["n_seeds"] = len(group)
        for metric in ("train", "val"):
            interval = normal_interval_paper(group[f"{metric}/accuracy"].to_numpy())
            half = interval.high - interval.mean
            shown = f"{interval.mean:.4f}"
            row[f"{metric}_accuracy"] = (
                shown if math.isnan(half) else f"{shown} ± {half:.4f}"
            )
        rows.append(row)
    return pd.DataFrame(rows)
