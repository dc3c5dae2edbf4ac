"""Runs that ``mlflow run`` has opened for an entry point of this project.

MLflow notes the entry point and where the project is, a path or a URL that may be any,
but not its name. Entry points take their parameters from MLproject, all of which are
logged before anything starts; by these the project is known.
"""

import datetime
from collections.abc import Mapping

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_ENTRY_POINT, MLFLOW_SOURCE_TYPE

#: What MLproject declares; a test keeps both in step.
ENTRY_POINTS: Mapping[str, frozenset[str]] = {
    "main": frozenset({"task", "variants", "seeds", "preset"}),
    "train": frozenset({"task", "variant", "preset"}),
    "ablate": frozenset({"task", "variants", "seeds", "preset"}),
    "analyze": frozenset({"run_id", "analyses"}),
    "compare": frozenset({"run_1", "run_2"}),
    "reproduce": frozenset({"seeds", "preset"}),
    "import_published": frozenset({"path"}),
}

#: Of a run that was opened in order to resume another one.
RESUMED = "resumed_run_id"


def is_of_project(run: Run) -> bool:
    """Whether ``mlflow run`` has opened a run for an entry point of this project."""
    tags = run.data.tags
    declared = ENTRY_POINTS.get(tags.get(MLFLOW_PROJECT_ENTRY_POINT, ""))
    return (
        tags.get(MLFLOW_SOURCE_TYPE) == "PROJECT"
        and declared is not None
        and declared <= run.data.params.keys()
    )


def opened_at(run: Run) -> datetime.datetime:
    """When a run was opened."""
    return datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC)
