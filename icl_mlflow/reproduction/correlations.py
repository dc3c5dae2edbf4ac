"""The correlations that the paper's figures give, and ours of the same analyses."""

from collections.abc import Mapping, Sequence

import pandas as pd

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.reproduction.paper import CORRELATIONS, PublishedCorrelation
from icl_mlflow.statistics import Interval


def correlations(answers: Mapping[str, Sequence[Answer]]) -> pd.DataFrame:
    """One row a correlation; ours are means over models, with their range.

    Args:
        answers: by task, of its baseline.
    """
    rows = []
    for published in CORRELATIONS:
        ours = _number(answers.get(published.task, ()), published)
        rows.append(
            {
                "correlation": published.what,
                "paper, one model": published.value,
                "ours, mean": ours.mean if ours else float("nan"),
                "low": ours.low if ours else float("nan"),
                "high": ours.high if ours else float("nan"),
                "models": ours.n if ours else 0,
            }
        )
    return pd.DataFrame(rows)


def _number(
    answers: Sequence[Answer], published: PublishedCorrelation
) -> Interval | None:
    found = [a for a in answers if a.analysis == published.analysis]
    return found[0].numbers.get(published.number) if found else None
