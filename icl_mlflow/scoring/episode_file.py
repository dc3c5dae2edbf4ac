"""Episodes in a file, with their exact answers, for whatever framework reads them.

A row is an episode. With N context points in D dimensions its columns are

    episode          its number, from 0
    context_x        N lists of D numbers, float32
    context_y        N labels, 0 or 1
    query_x          D numbers, float32
    query_y          the query's label, 0 or 1: what is to be answered
    bayes_log_odds   exact log-odds of query_y = 1 given the context, nats
    oracle_llr       exact log-likelihood ratio, latents known, nats
    latent_...       what the episode was drawn with, by name

and the file's note says how the episodes were drawn, so that they can be drawn again.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import EvaluationSet
from icl_mlflow.scoring.columns import Column, Note, read_columns, write_columns

_LATENT = "latent_"
#: The columns without which nothing can be scored.
LABEL, BAYES = "query_y", "bayes_log_odds"
_ORACLE = "oracle_llr"


def write_episodes(file: Path, truth: EvaluationSet, note: Note) -> None:
    """Write episodes and their exact answers.

    Args:
        file: ending in .parquet or .npz.
        truth: the episodes.
        note: how they were drawn.

    Raises:
        ValueError: another ending, or no such folder.
        OSError: the file cannot be written.
    """
    episodes = truth.episodes
    columns = {
        "episode": np.arange(len(episodes)),
        "context_x": episodes.context_x_BND.cpu().numpy(),
        "context_y": episodes.context_y_BN.cpu().numpy().astype(np.int8),
        "query_x": episodes.query_x_BD.cpu().numpy(),
        LABEL: episodes.query_y_B.cpu().numpy().astype(np.int8),
        BAYES: truth.bayes_B.numpy(),
        _ORACLE: truth.oracle_B.numpy(),
    }
    latents = {
        f"{_LATENT}{name}": value.cpu().numpy()
        for name, value in episodes.latents.items()
    }
    write_columns(file, columns | latents, note)


def read_episodes(file: Path) -> tuple[EvaluationSet, Note]:
    """What `write_episodes` wrote, and how it was drawn.

    Raises:
        ValueError: no such file, or one without the columns.
    """
    columns, note = read_columns(file)
    return truth_of(columns, file), note


def truth_of(columns: Mapping[str, Column], file: Path) -> EvaluationSet:
    """Episodes and exact answers from columns; contexts may have been left out.

    Raises:
        ValueError: there is no label or no exact answer; names the file.
    """
    missing = [name for name in (LABEL, BAYES) if name not in columns]
    if missing:
        raise ValueError(
            f"{file} has no column {' and no column '.join(missing)}; "
            "`icl-mlflow episodes` writes both"
        )
    n_episodes = len(columns[LABEL])
    none: dict[str, Column] = {
        "context_x": np.zeros((n_episodes, 0, 0), dtype=np.float32),
        "context_y": np.zeros((n_episodes, 0), dtype=np.int64),
        "query_x": np.zeros((n_episodes, 0), dtype=np.float32),
    }
    seen = none | dict(columns)
    episodes = Episodes(
        context_x_BND=torch.tensor(seen["context_x"]),
        context_y_BN=torch.tensor(seen["context_y"].astype(np.int64)),
        query_x_BD=torch.tensor(seen["query_x"]),
        query_y_B=torch.tensor(columns[LABEL].astype(np.int64)),
        latents={
            name.removeprefix(_LATENT): torch.tensor(value)
            for name, value in columns.items()
            if name.startswith(_LATENT)
        },
    )
    unknown = np.full(n_episodes, np.nan)
    return EvaluationSet(
        episodes=episodes,
        seen=episodes,
        bayes_B=torch.tensor(columns[BAYES].astype(np.float64)),
        oracle_B=torch.tensor(columns.get(_ORACLE, unknown).astype(np.float64)),
    )
