"""The study of a search: what Optuna remembers of it, and proposes next.

All studies of this machine lie in one database, beside that of the runs or, where a
server tracks, with the user's state. Needs the extra ``search``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from filelock import FileLock, Timeout

from icl_mlflow.suite.axes import Value, shown_value
from icl_mlflow.tracking.local.claims import runs_folder
from icl_mlflow.workflows.search.plan import SearchPlan
from icl_mlflow.workflows.search.space import Range

_STUDIES = "searches.db"
#: Trials that are not pruned, so that there is something to compare with.
_STARTERS = 5
#: The share of the epochs before which nothing is pruned.
_PATIENCE = 3
#: Digits of a number that is proposed: more would tell nothing.
_DIGITS = 3


class SearchInUseError(ValueError):
    """Another process is at the same search."""


@contextmanager
def open_study(plan: SearchPlan) -> Iterator[optuna.Study]:
    """The study of a search, for this process alone.

    Raises:
        SearchInUseError: another process has it.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = runs_folder().parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"search-{plan.study}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SearchInUseError(
            "another process of this machine is at the same search; wait for its end"
        ) from None
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder / _STUDIES}")
        study = optuna.create_study(
            study_name=plan.study,
            storage=storage,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=_STARTERS,
                n_warmup_steps=plan.settings.epochs // _PATIENCE,
            ),
        )
        # Another start for each call, or it would propose again what it has tried.
        n_before = len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=plan.settings.seed + n_before)
        yield study
    finally:
        lock.release()


def proposed(
    trial: optuna.Trial, name: str, values: Range | tuple[Value, ...]
) -> Value:
    """What a trial takes for a setting; a number with few digits, within its range."""
    if not isinstance(values, Range):
        index = trial.suggest_categorical(name, [shown_value(v) for v in values])
        return next(v for v in values if shown_value(v) == index)
    low, high, is_log = values.low, values.high, values.is_logarithmic
    if values.is_whole:
        return int(trial.suggest_int(name, int(low), int(high), log=is_log))
    found = float(trial.suggest_float(name, low, high, log=is_log))
    return min(max(float(f"{found:.{_DIGITS}g}"), low), high)
