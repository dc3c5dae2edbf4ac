"""Files of a database that was moved: found beside it, or where the user says.

MLflow keeps absolute places. A database and ``mlruns`` that were copied from a cluster
still name the cluster's folders. Files that lie elsewhere now are found by the variable
ICL_MLFLOW_ARTIFACTS.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.local.liveness import HEARTBEAT
from icl_mlflow.tracking.runs.projects import is_of_project
from icl_mlflow.tracking.store.mlflow_internals import (
    ArtifactFiles,
    artifact_files,
    local_folder,
)
from icl_mlflow.tracking.store.uri import StoreError, artifact_folder

#: Names the folder where files are now, whatever the database says.
PLACE_VARIABLE = "ICL_MLFLOW_ARTIFACTS"

#: Whoever misses files is told so.
ADVICE = (
    f"was the folder moved? Set {PLACE_VARIABLE} to the folder where its files are now"
)

#: Runs that are looked at for one that has begun.
_FEW = 100

#: A run's folder and the one in it: what tells its files from those of any other.
_FEWEST = 2


def present_location(location: str, uri: str) -> str:
    """Where files are: where the user says, at their location, or beside the database.

    Args:
        location: of files, as the store names it.
        uri: of the store.

    Raises:
        StoreError: ICL_MLFLOW_ARTIFACTS names no folder.
    """
    said = _said_place(location)
    if said is not None:
        return said.as_uri()
    root, path = artifact_folder(uri), local_folder(location)
    if root is None or path is None:
        return location
    within = _within(path, root.name)
    if within is None or path.exists() or not (root / within).exists():
        return location
    return (root / within).as_uri()


def missing_folder(location: str, uri: str) -> Path | None:
    """The folder of all files that is not there any more, if files would make it anew.

    None for places that are there, or that were never beside a database.
    """
    root, path = artifact_folder(uri), local_folder(location)
    if root is None or path is None:
        return None
    within = _within(path, root.name)
    if within is None:
        return None
    theirs = path.parents[len(within.parts) - 1] if within.parts else path
    return None if theirs == root or theirs.exists() else theirs


def may_have_files(client: MlflowClient, experiment_id: str) -> bool:
    """Whether somebody has begun a run there: not only ``mlflow run``, for ours."""
    runs = client.search_runs([experiment_id], max_results=_FEW)
    return any(HEARTBEAT in run.data.tags or not is_of_project(run) for run in runs)


def files_of_run(client: MlflowClient, run: Run) -> ArtifactFiles:
    """The artifacts of a run, wherever its database has been moved."""
    location = present_location(run.info.artifact_uri, client.tracking_uri)
    return artifact_files(location, client.tracking_uri)


def missing_files(location: str) -> Path | None:
    """The place of files of this machine that is not there; None if it is."""
    place = local_folder(location)
    return None if place is None or place.exists() else place


def _said_place(location: str) -> Path | None:
    """Where files are below the folder that the user has named, if they are there.

    The longest end of their place that leads to something: the folder may be the old
    one, one above it, or one within.
    """
    given = os.environ.get(PLACE_VARIABLE, "").strip()
    if not given:
        return None
    root = Path(given).absolute()
    if not root.is_dir():
        raise StoreError(f"{PLACE_VARIABLE} is {given!r}, which is not a folder")
    path = local_folder(location) or Path(unquote(urlsplit(location).path))
    names = path.parts
    ends = (root.joinpath(*names[i:]) for i in range(1, len(names) - _FEWEST + 1))
    return next((end for end in ends if end.exists()), None)


def _within(path: Path, root: str) -> Path | None:
    """What follows the last folder of this name."""
    names = path.parts
    if root not in names:
        return None
    last = len(names) - 1 - names[::-1].index(root)
    return Path(*names[last + 1 :])
