"""Access to a run's files, never on another server than that of the store.

Whoever made an experiment has said where its files are. A request to another server
would carry the user's password, or token, there.
"""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.models.download import MissingFileError, fetch
from icl_mlflow.tracking.store.moved_files import (
    ADVICE,
    files_of_run,
    missing_files,
    present_location,
)
from icl_mlflow.tracking.store.uri import StoreError, is_elsewhere, shown


def check_place(location: str, tracking_uri: str, what: str) -> None:
    """Check that files are not on another server than the store.

    Args:
        location: where the files are said to be.
        tracking_uri: of the store.
        what: whose files they are.

    Raises:
        StoreError: they are; nothing has been asked of it.
    """
    if is_elsewhere(location, tracking_uri):
        raise StoreError(
            f"the files of {what} are said to be on another server, "
            f"{shown(location)}, which gets no password: set MLFLOW_TRACKING_URI to "
            "that server, or choose an experiment that keeps its files elsewhere"
        )


def check_run(client: MlflowClient, run: Run) -> None:
    """Check the place of a run's files; see `check_place`."""
    what = f"run {run.info.run_id}"
    location = present_location(run.info.artifact_uri or "", client.tracking_uri)
    check_place(location, client.tracking_uri, what)


def download(
    client: MlflowClient, run: Run, path: str, folder: str, limit: int
) -> Path:
    """Fetch one file of a run into a folder; where it is then.

    Args:
        client: of the store.
        run: that has it.
        path: of the file among those of the run.
        folder: of this machine.
        limit: bytes that belong in such a file.

    Raises:
        StoreError: it is on another server than the store.
        FetchError: it is missing, longer than ``limit``, or too slow; see `fetch`.
    """
    check_run(client, run)
    files = files_of_run(client, run)
    try:
        return fetch(files, path, Path(folder), limit)
    except MissingFileError as error:
        if place := missing_files(files.artifact_uri):
            raise MissingFileError(
                f"{error}: the files of run {run.info.run_id} are not at {place}; "
                f"{ADVICE}"
            ) from error
        raise
