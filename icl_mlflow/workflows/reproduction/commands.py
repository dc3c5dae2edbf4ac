"""How is a reproduction made again, and how does what is missing in it come?"""

import shlex
from collections.abc import Sequence

from icl_mlflow.analysis.report.page import Command
from icl_mlflow.reproduction.paper import SHIFT, SHIFTED
from icl_mlflow.reproduction.table import LAST, Row
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.tracking.runs.resume import options_of
from icl_mlflow.tracking.store.connection import Store

_DEFAULT = "Default"


def commands(store: Store, request: Request) -> list[Command]:
    """The commands of the whole, for the page."""
    return [
        Command("Train what is missing, and make this page", _whole(store, request)),
        Command(
            "Make this page again, without training",
            _whole(store, request, "--page_only"),
        ),
    ]


def missing_lines(store: Store, request: Request, rows: Sequence[Row]) -> list[str]:
    """What is not there, with the commands that train it; nothing if all is."""
    judged = [row for row in rows if row.selection == LAST]
    lines = []
    untrained: dict[str, list[str]] = {}
    for row in judged:
        if row.missing_seeds and not _is_shifted(row):
            seeds = shown_seeds(row.missing_seeds)
            untrained.setdefault(seeds, []).append(row.published.name)
    if untrained:
        told = [f"{', '.join(n)}, seeds {seeds}" for seeds, n in untrained.items()]
        lines.append(f"{'; '.join(told)}: {_whole(store, request)}")
    untested = {
        row.published.name: shown_seeds(row.untested_seeds)
        for row in judged
        if row.untested_seeds and not _is_shifted(row)
    }
    if untested:
        told = [f"{name}, seeds {seeds}" for name, seeds in untested.items()]
        lines.append(
            f"{'; '.join(told)}, which were ended after their last epoch, before "
            f"their test: {_whole(store, request)}"
        )
    unevaluated = _unevaluated(judged)
    if unevaluated:
        seeds = shown_seeds(unevaluated)
        words = ["icl-mlflow", "train", *options_of(request.settings)]
        words += ["--seeds", seeds, "--also_evaluate", SHIFT, *_experiment(store)]
        lines.append(
            f"task_A_OOD, seeds {seeds}, which were trained without evaluating their "
            f"epochs on the shifted episodes: {shlex.join(words)}"
        )
    return lines


def _unevaluated(judged: Sequence[Row]) -> list[int]:
    """Seeds whose trainings are there, but not their epochs on the shifted episodes."""
    trained: set[int] = set()
    evaluated: set[int] = set()
    for row in judged:
        belongs = row.published.experiment
        if (belongs.task, belongs.variant) == SHIFTED:
            (evaluated if _is_shifted(row) else trained).update(row.accuracies)
    return sorted(trained - evaluated)


def _is_shifted(row: Row) -> bool:
    return row.published.experiment.is_selected_on_shift


def _whole(store: Store, request: Request, *more: str) -> str:
    words = ["icl-mlflow", "reproduce", "--seeds", shown_seeds(request.seeds)]
    words += [*options_of(request.settings), *_experiment(store), *more]
    return shlex.join(words)


def _experiment(store: Store) -> list[str]:
    name = store.experiment_name
    return [] if name == _DEFAULT else ["--experiment", name]
