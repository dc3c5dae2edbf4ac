"""The trials of a search: what each took, what became of it, and their table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.suite.axes import Value, shown_cell


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of a search.

    Attributes:
        number: from 0.
        cell: what it took from the space.
        state: ``finished``, ``pruned`` or ``failed``.
        excess_risk: on the validation episodes, nats; None where none was measured.
        why: it was pruned or failed; empty if it finished.
        run_id, model_uri: of its run; empty where there is none.
    """

    number: int
    cell: Mapping[str, Value]
    state: str
    excess_risk: float | None
    why: str = ""
    run_id: str = ""
    model_uri: str = ""


def attributes(trial: Trial) -> dict[str, object]:
    """A trial as a study keeps it: names to values that JSON knows."""
    return {**vars(trial), "cell": dict(trial.cell)}


def table(trials: Sequence[Trial]) -> pd.DataFrame:
    """One row a trial, in order; what each took stands in columns and in ``cell``."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            "excess_risk": trial.excess_risk,
            **trial.cell,
            "cell": shown_cell(trial.cell),
            "why": trial.why,
            "run_id": trial.run_id,
            "model": trial.model_uri,
        }
        for trial in trials
    ]
    found = pd.DataFrame(rows)
    return found.assign(excess_risk=found["excess_risk"].astype(float))
