"""Files of a database that was moved, with them, from elsewhere: found beside it.

MLflow keeps absolute places. A database and ``mlruns`` that were copied from a cluster
still name the cluster's folders.
"""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from icl_mlflow.tracking.location import artifact_folder


def present_location(location: str, uri: str) -> str:
    """Where files are: at their location, or at the same place beside the database.

    Args:
        location: of files, as the store names it.
        uri: of the store.
    """
    root = artifact_folder(uri)
    if root is None or not is_local_uri(location):
        return location
    path = Path(local_file_uri_to_path(location))
    within = _within(path, root.name)
    if within is None or path.exists() or not (root / within).exists():
        return location
    return (root / within).as_uri()


def missing_folder(location: str, uri: str) -> Path | None:
    """The folder of all files that is not there any more, if files would make it anew.

    None for places that are there, or that were never beside a database.
    """
    root = artifact_folder(uri)
    if root is None or not is_local_uri(location):
        return None
    path = Path(local_file_uri_to_path(location))
    within = _within(path, root.name)
    if within is None:
        return None
    theirs = path.parents[len(within.parts) - 1] if within.parts else path
    return None if theirs == root or theirs.exists() else theirs


def files_of_run(client: MlflowClient, run: Run) -> ArtifactRepository:
    """The artifacts of a run, wherever its database has been moved."""
    location = present_location(run.info.artifact_uri, client.tracking_uri)
    return get_artifact_repository(location, tracking_uri=client.tracking_uri)


def _within(path: Path, root: str) -> Path | None:
    """What follows the last folder of this name."""
    names = path.parts
    if root not in names:
        return None
    last = len(names) - 1 - names[::-1].index(root)
    return Path(*names[last + 1 :])
