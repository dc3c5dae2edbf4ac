"""The settings in which exported runs differ, beside task, variant and seed.

Runs that agree in all of them are seeds of one training, and only those share a mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from icl_mlflow.settings import PARAMETERS, never
from icl_mlflow.tracking.runs.history import TrainingRecord
from icl_mlflow.training.settings import TrainSettings

#: What has a column of its own, or belongs to the seed.
_TOLD = ("task", "variant", "seed", "data_seed")


def told_apart(records: Sequence[TrainingRecord]) -> dict[str, str]:
    """Run id to the settings in which not all runs of its task and variant agree.

    As ``epochs=10 lr=0.001``, with ``source=published`` for an imported model; empty
    where all agree.
    """
    groups: dict[tuple[str, str], list[TrainingRecord]] = {}
    for record in records:
        groups.setdefault((record.task, record.variant), []).append(record)
    found = {}
    for group in groups.values():
        each = [_settings(record) for record in group]
        names = dict.fromkeys(name for one in each for name in one)
        differing = [n for n in names if len({one.get(n) for one in each}) > 1]
        for record, one in zip(group, each, strict=True):
            found[record.run_id] = " ".join(
                f"{name}={one[name]}" for name in differing if name in one
            )
    return found


def _settings(record: TrainingRecord) -> Mapping[str, str]:
    """What decides the result of a run, one spelling a value."""
    declared = [f for f in fields(TrainSettings) if f.name != PARAMETERS]
    silent = {f.name for f in declared if f.metadata["decides"] is never}
    # A run of an earlier version lacks the settings that came later.
    usual = {f.name: str(f.default) for f in declared if f.default is not None}
    given = {**usual, **record.params, "source": record.source}
    return {
        name: _spelled(value)
        for name, value in given.items()
        if value and name not in silent and name not in _TOLD
    }


def _spelled(value: str) -> str:
    """Numbers in one spelling: a parameter may have been logged as it was typed."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value
