"""The published learning curves: CSV files of one row per model, seed and epoch.

Columns: ``epoch`` (from 0), ``train_loss``, ``val_loss`` (nats), ``train_acc``,
``val_acc`` (in [0, 1]), ``seed``, ``model`` (a published class) and ``experiment``.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from icl_mlflow.published.reading import content_of

#: Column to the name that this package tracks the same number under.
METRICS = {
    "train_loss": "train/loss",
    "train_acc": "train/accuracy",
    "val_loss": "val/loss",
    "val_acc": "val/accuracy",
}
_KEYS = ("experiment", "model", "seed", "epoch")
#: Bytes; the longest published file has about 10 000.
_LARGEST = 16 << 20


@dataclass(frozen=True, kw_only=True)
class PublishedHistory:
    """How the training of one published model went.

    Attributes:
        experiment: the name of its folder.
        model_class: of the published code.
        seed: of its training.
        epochs: number of the epoch, from 0, to its metrics by tracked name.
    """

    experiment: str
    model_class: str
    seed: int
    epochs: dict[int, dict[str, float]]

    @property
    def key(self) -> tuple[str, str, int]:
        """Experiment, class and seed."""
        return self.experiment, self.model_class, self.seed


def read_histories(file: Path) -> list[PublishedHistory]:
    """Every history in a file of published results.

    Raises:
        ValueError: a file that is missing, not of this format, or at odds with itself.
    """
    try:
        return list(_histories(_table(file)))
    except ValueError as error:
        message = f"{file} cannot be read as published results: {error}"
        raise ValueError(message) from error


def _table(file: Path) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(content_of(file, _LARGEST)))
    missing = [name for name in (*_KEYS, *METRICS) if name not in table.columns]
    if missing:
        raise ValueError(f"it has no column {', '.join(missing)}")
    numbers = table[["seed", "epoch", *METRICS]]
    wrong = [name for name in numbers if not _is_numeric(numbers[name])]
    if wrong:
        raise ValueError(f"not only numbers in column {', '.join(map(str, wrong))}")
    if (table[["seed", "epoch"]] % 1 != 0).any(axis=None):
        raise ValueError("seed and epoch must be whole numbers")
    twice = table.duplicated(list(_KEYS))
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(f"epoch {row['epoch']} of seed {row['seed']} is there twice")
    return table


def _is_numeric(column: "pd.Series[float]") -> bool:
    return bool(
        pd.api.types.is_numeric_dtype(column) and column.map(math.isfinite).all()
    )


def _histories(table: pd.DataFrame) -> Iterator[PublishedHistory]:
    for (experiment, model, seed), rows in table.groupby(
        ["experiment", "model", "seed"]
    ):
        yield PublishedHistory(
            experiment=str(experiment),
            model_class=str(model),
            seed=int(str(seed)),
            epochs={
                int(row["epoch"]): {METRICS[c]: float(row[c]) for c in METRICS}
                for row in rows.sort_values("epoch").to_dict("records")
            },
        )
