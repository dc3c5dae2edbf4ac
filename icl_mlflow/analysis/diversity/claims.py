"""What two papers say of models of finite pools, put to the table: yes, no, or neither.

Every number is one a seed; the interval is that of `order_interval` over seeds, and
the answer is what both of its ends say. Models that have not learned have no strategy,
and nothing can be told of what rests on them.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE
from icl_mlflow.analysis.diversity.rational import rational_fit
from icl_mlflow.statistics import Interval, order_interval

#: Between a model that memorises and one that generalises.
_HALF = 0.5
#: The correlation that the rational account is said to reach.
_CORRELATION = 0.95


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and what the table says to it.

    Attributes:
        name: of the claim, as metrics have it.
        paper: by its number on arXiv.
        statement: what it says.
        answer: True, False, or None where it cannot be told.
        found: the numbers, in a clause.
    """

    name: str
    paper: str
    statement: str
    answer: bool | None
    found: str

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` or ``cannot be told``."""
        words = {True: "yes", False: "no", None: "cannot be told"}
        return words[self.answer]


def claims(table: pd.DataFrame) -> list[Claim]:
    """All claims, put to the table of `icl_mlflow.analysis.diversity.measure`."""
    if table.empty:
        return []
    asked = (_threshold, _beyond_the_pool, _transience, _rational)
    return [claim(table) for claim in asked]


def last_rows(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Of every pool and seed, its last checkpoint, on episodes from one place."""
    rows = table[table["where"] == where].sort_values("step")
    return rows.groupby(["pool", "seed"], as_index=False).tail(1)


def _threshold(table: pd.DataFrame) -> Claim:
    last = _learned(last_rows(table, INSIDE), "share")
    smallest, largest = (_shares(last, pool) for pool in _ends(last))
    memorises = _is_above(smallest, _HALF)
    generalises = _is_above(largest, _HALF)
    answer = None
    if memorises is not None and generalises is not None:
        answer = memorises and not generalises
    crossed = _told(_crossings(last))
    low, high = _ends(last)
    return Claim(
        "threshold",
        "2306.15063",
        "models of few tasks memorise them, and from some number of tasks on they "
        "generalise",
        answer,
        f"at the end the memorising share in the pool is {_told(smallest)} at "
        f"{low:,} tasks and {_told(largest)} at {high:,}; it falls through one half at "
        f"{crossed} tasks",
    )


def _beyond_the_pool(table: pd.DataFrame) -> Claim:
    last = _learned(last_rows(table, OUTSIDE), "excess_risk")
    _, largest = _ends(last)
    rows = last[last["pool"] == largest]
    gain = _interval(rows["other_risk"] - rows["excess_risk"])
    return Claim(
        "beyond_the_pool",
        "2306.15063",
        "with many tasks a model answers new ones better than Bayes that knows only "
        "those of the pool",
        _is_above(gain, 0.0),
        f"at {largest:,} tasks its excess risk out of the pool is lower by "
        f"{_told(gain)} nats",
    )


def _transience(table: pd.DataFrame) -> Claim:
    rows = table[table["where"] == OUTSIDE].sort_values("step")
    rises = {
        pool: _interval(
            pd.Series(
                [_rise(seed) for _, seed in rows[rows["pool"] == pool].groupby("seed")]
            )
        )
        for pool in sorted(map(int, rows["pool"].unique()))
    }
    answers = {
        pool: _is_above(rise, SMALLEST_OF_INTEREST) for pool, rise in rises.items()
    }
    transient = [pool for pool, answer in answers.items() if answer]
    answer = True if transient else None
    if all(found is False for found in answers.values()):
        answer = False
    known = {p: rise for p, rise in rises.items() if not math.isnan(rise.mean)}
    most = max(known or rises, key=lambda pool: rises[pool].mean)
    named = ", ".join(f"{pool:,}" for pool in transient) or "none"
    able = f"the {len(known)} of {len(rises)} pools whose models learn to answer there"
    return Claim(
        "transience",
        "2506.17859",
        "at some pools generalisation is transient: a model answers new tasks well, "
        "and worse again as it goes on to memorise",
        answer,
        f"the excess risk out of the pool rises from its lowest checkpoint to the last "
        f"by more than {SMALLEST_OF_INTEREST} nats at {named} of {able}; most at "
        f"{most:,} tasks, by {_told(rises[most])}",
    )


def _rational(table: pd.DataFrame) -> Claim:
    name, paper = "rational_account", "2506.17859"
    statement = (
        "gain in loss against complexity predicts the memorising share, to a "
        "correlation of .95 and more"
    )
    fit = rational_fit(table)
    if fit is None:
        return Claim(name, paper, statement, None, "there are too few shares to fit")
    return Claim(
        name,
        paper,
        statement,
        _is_above(fit.r, _CORRELATION),
        f"four constants fitted to {len(fit.table)} shares of pools, checkpoints and "
        f"seeds give r = {_told(fit.r)} (alpha {fit.alpha:.2f}, beta {fit.beta:.2f})",
    )


def _learned(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows, with nothing in a column where the model has not learned."""
    return rows.assign(**{column: rows[column].where(rows["learned"])})


def _rise(rows: pd.DataFrame) -> float:
    """How far the risk of one model rises from its lowest to its last checkpoint."""
    if not rows["learned"].any():
        return math.nan
    risk = rows["excess_risk"].to_numpy()
    return float(risk[-1] - risk.min())


def _crossings(last: pd.DataFrame) -> Interval:
    """Where each seed's share falls through one half; NaN where one does not."""
    found = []
    for _, rows in last.dropna(subset="share").groupby("seed"):
        ordered = rows.sort_values("pool")
        share, size = ordered["share"].to_numpy(), np.log2(ordered["pool"].to_numpy())
        falls = np.flatnonzero((share[:-1] >= _HALF) & (share[1:] < _HALF))
        if not len(falls):
            return Interval(math.nan, math.nan, math.nan, 0)
        i = falls[0]
        part = (share[i] - _HALF) / (share[i] - share[i + 1])
        found.append(float(2 ** (size[i] + part * (size[i + 1] - size[i]))))
    return _interval(pd.Series(found))


def _ends(last: pd.DataFrame) -> tuple[int, int]:
    return int(last["pool"].min()), int(last["pool"].max())


def _shares(last: pd.DataFrame, pool: int) -> Interval:
    return _interval(last.loc[last["pool"] == pool, "share"])


def _interval(values: pd.Series) -> Interval:
    if values.empty or values.isna().any():
        return Interval(math.nan, math.nan, math.nan, 0)
    return order_interval(values.to_numpy())


def _is_above(found: Interval, bar: float) -> bool | None:
    """What both ends say; one seed alone, or what is not told apart, says nothing."""
    if math.isnan(found.low):
        return None
    if found.low > bar:
        return True
    return False if found.high < bar else None


def _told(found: Interval) -> str:
    if math.isnan(found.mean):
        return "undefined"
    digits = 0 if found.mean > 2 else 3  # noqa: PLR2004 numbers of tasks are whole
    if math.isnan(found.low):
        return f"{found.mean:.{digits}f} (one seed)"
    return (
        f"{found.mean:.{digits}f} ({found.n} seeds: {found.low:.{digits}f} to "
        f"{found.high:.{digits}f})"
    )
