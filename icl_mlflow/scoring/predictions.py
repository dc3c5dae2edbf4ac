"""Scores of answers in a file, made by whatever framework.

A row answers an episode, by one of the columns

    log_odds       of query_y = 1, nats
    probability    of query_y = 1

in the order of the episodes or, with a column ``episode``, in any. The episodes are
those of `episode_file`, or stand in the same file: it needs their columns ``query_y``
and ``bayes_log_odds`` then.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from icl_mlflow.analysis.score_intervals import METRICS, scored
from icl_mlflow.evaluation import EvaluationSet
from icl_mlflow.scoring.columns import Column, read_columns
from icl_mlflow.scoring.episode_file import read_episodes, truth_of

_LOG_ODDS, _PROBABILITY, _EPISODE = "log_odds", "probability", "episode"
PREDICTIONS: Final = "predictions"
_MANY = 3


def score_predictions(
    predictions: Path, truth: Path | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """One row each for the predictions, exact Bayes and, where it is known, the oracle.

    Columns: ``predictor``; every score with ``..._low`` and ``..._high``, 95 %;
    ``episodes``.

    Args:
        predictions: .parquet, .npz or .csv.
        truth: what `icl-mlflow episodes` wrote; the same file if not given.
        seed: of the bootstrap behind the interval of the ECE.

    Raises:
        ValueError: a file that cannot be read or lacks a column, answers that are
            missing, doubled or no numbers, or probabilities outside [0, 1].
    """
    columns, _ = read_columns(predictions)
    asked = read_episodes(truth)[0] if truth else truth_of(columns, predictions)
    numbers_B = np.arange(len(asked))
    if truth is None and _EPISODE in columns:
        numbers_B = columns[_EPISODE]
    answers = {
        PREDICTIONS: _ordered(_log_odds(columns, predictions), columns, numbers_B),
        "bayes": asked.bayes_B,
        "oracle": asked.oracle_B,
    }
    rng = np.random.default_rng(seed)
    rows = [
        _row(name, logit_B, asked, rng)
        for name, logit_B in answers.items()
        if not logit_B.isnan().any()
    ]
    return pd.DataFrame(rows)


def _row(
    name: str, logit_B: Tensor, asked: EvaluationSet, rng: np.random.Generator
) -> dict[str, object]:
    row: dict[str, object] = {"predictor": name}
    found = scored(logit_B, asked, rng, knows_latents=name == "oracle")
    for metric in METRICS:
        row |= found[metric].columns(metric)
    return row | {"episodes": len(asked)}


def _log_odds(columns: Mapping[str, Column], file: Path) -> Tensor:
    given = [name for name in (_LOG_ODDS, _PROBABILITY) if name in columns]
    if len(given) != 1:
        raise ValueError(
            f"{file} must have one of the columns {_LOG_ODDS} (nats) and "
            f"{_PROBABILITY}; it has {', '.join(columns) or 'no column of numbers'}"
        )
    value_B = np.asarray(columns[given[0]], dtype=np.float64)
    if value_B.ndim != 1 or not np.isfinite(value_B).all():
        raise ValueError(
            f"column {given[0]} of {file} must hold one finite number a row"
        )
    found_B = torch.tensor(value_B)
    if given[0] == _LOG_ODDS:
        return found_B
    if value_B.min(initial=0) < 0 or value_B.max(initial=1) > 1:
        raise ValueError(f"column {_PROBABILITY} of {file} must lie in [0, 1]")
    if np.isin(value_B, (0, 1)).any():
        raise ValueError(
            f"column {_PROBABILITY} of {file} holds 0 or 1: certainty that is wrong "
            f"once costs infinitely; give {_LOG_ODDS}, or keep away from both ends"
        )
    return found_B.logit()


def _ordered(
    logit_B: Tensor, columns: Mapping[str, Column], numbers_B: Column
) -> Tensor:
    """The answers in the order of the episodes.

    Raises:
        ValueError: an episode without an answer, or with two.
    """
    answered_B = columns.get(_EPISODE, numbers_B[: len(logit_B)])
    missing = np.setdiff1d(numbers_B, answered_B)
    if len(missing) or len(logit_B) != len(numbers_B):
        named = ", ".join(map(str, missing[:_MANY]))
        which = f"; none for {named}{' ...' * (len(missing) > _MANY)}" * bool(named)
        raise ValueError(
            f"{len(numbers_B)} episodes need one answer each, not {len(logit_B)}{which}"
        )
    place = np.searchsorted(np.sort(answered_B), numbers_B)
    return logit_B[torch.as_tensor(np.argsort(answered_B)[place])]
