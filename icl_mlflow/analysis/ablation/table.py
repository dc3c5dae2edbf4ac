"""The ablation table as people read it: every seed, ceilings, tests, sentence."""

import math

import pandas as pd


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `ablation.measure` for readers; verdicts as sentences.

    Numbers are means over seeds; what is in brackets is the lowest and the highest
    seed or, from six seeds on, where their median lies.
    """
    # No column where no variant could be compared at all.
    missing = pd.Series(math.nan, index=table.index)
    nothing = pd.Series("", index=table.index)

    def column(name: str) -> list[str]:
        ends = (table.get(name + end, missing) for end in ("", "_low", "_high"))
        return [_between(*row) for row in zip(*ends, strict=True)]

    def text(name: str) -> list[str]:
        return [str(value) for value in table.get(name, nothing).fillna("")]

    def short(name: str, digits: str) -> list[str]:
        values = table.get(name, missing)
        return ["" if math.isnan(value) else f"{value:{digits}}" for value in values]

    def known(name: str) -> list[str]:
        return [value or "unknown" for value in short(name, ".4f")]

    def share(part: str, whole: str) -> list[str]:
        return [f"{p}/{w}" for p, w in zip(table[part], table[whole], strict=True)]

    # In a grid every row says where it stands, and what exact Bayes reaches there.
    where, bayes = (
        (
            {"cell": table["cell"]},
            {"exact Bayes": [f"{value:.4f}" for value in table["bayes_accuracy"]]},
        )
        if "cell" in table
        else ({}, {})
    )
    return pd.DataFrame(
        {
            **where,
            "variant": table["variant"],
            "seeds": share("n_seeds", "n_planned"),
            "accuracy": column("accuracy"),
            **bayes,
            "information shown": known("shown_accuracy"),
            "ideal learner": known("ideal_accuracy"),
            "log-loss (nats)": column("loss"),
            "excess risk (nats)": column("excess_risk"),
            "each seed": text("each_risk"),
            "over its own ceiling": column("own_excess"),
            "minus baseline (nats)": column("difference"),
            "each difference": text("each_difference"),
            "took off": share("took_off", "n_seeds"),
            "at epoch": short("take_off_epoch", "g"),
            "p, taking off": short("p_take_off", ".2g"),
            "p, difference": short("p_difference", ".2g"),
            "verdict": table["sentence"],
        }
    )


def verdict_table(table: pd.DataFrame) -> pd.DataFrame:
    """The verdicts with the numbers behind them, in a line a variant."""
    columns = ["excess risk (nats)", "minus baseline (nats)", "took off"]
    short = readable(table).assign(verdict=table["verdict"])
    if "cell" in short:
        columns = ["accuracy", "exact Bayes", *columns]
        return short[["cell", "variant", "verdict", *columns]]
    return short[["variant", "verdict", *columns]]


def _between(mean: float, low: float, high: float) -> str:
    """``0.7812 (0.7790 to 0.7834)``; without the ends where there are none."""
    if math.isnan(mean):
        return ""
    if math.isnan(low):
        return f"{mean:.4f}"
    return f"{mean:.4f} ({low:.4f} to {high:.4f})"
