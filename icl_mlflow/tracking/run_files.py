"""Files of a run, touched only where a password may go: at the server of the store.

Whoever made an experiment has said where its files are. A request to another server
would carry the user's password, or token, there.
"""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.location import StoreError, is_elsewhere, shown
from icl_mlflow.tracking.moved import files_of_run


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
    check_place(run.info.artifact_uri or "", client.tracking_uri, what)


def download(client: MlflowClient, run: Run, path: str, folder: str) -> Path:
    """Fetch one file of a run into a folder; where it is then.

    Raises:
        StoreError: it is on another server than the store.
    """
    check_run(client, run)
    return Path(files_of_run(client, run).download_artifacts(path, folder))
