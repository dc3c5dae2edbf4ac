"""The tracking store: connect to it, and to the experiment that runs go to."""

import hashlib
import logging
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from icl_mlflow.tracking.given_run import given_run
from icl_mlflow.tracking.location import (
    DATABASES,
    SERVERS,
    StoreError,
    artifact_folder,
    scheme_of,
    shown,
    sqlite_file,
    sqlite_uri,
    tracking_uri,
    without_secrets,
)
from icl_mlflow.tracking.preflight import (
    check_exists,
    check_store,
    check_writable,
)
from icl_mlflow.tracking.repeating import repeated
from icl_mlflow.tracking.schema import client_with_schema

__all__ = ["Store", "StoreError", "connect", "connect_experiment", "open_client"]

_DEFAULT = "Default"

#: Seconds between two attempts to reach a store that is away.
_PAUSE = 1.0

#: Unless the user says otherwise: no URLs, no progress bars, and no looking around in
#: the working folder for files to add to a model.
_QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}

#: Unless the user says otherwise: a request gives up within seconds, where MLflow would
#: try for minutes. What is not delivered then is delivered later.
_IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


_LEVELS = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,
    # Every failed attempt would be a line; that of the end of a run says it once.
    "mlflow.utils.rest_utils": logging.ERROR,
    "mlflow.exceptions": logging.ERROR,
    # Likewise, with its traceback.
    "mlflow.store.db.utils": logging.CRITICAL,
    "urllib3": logging.ERROR,
}


@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment in it that runs go to.

    Attributes:
        tracking_uri: absolute; may hold a password, so show `place` instead.
        experiment_id: of the experiment.
        client: talks to this store, whatever MLflow's global state says.
    """

    tracking_uri: str
    experiment_id: str
    client: MlflowClient

    @property
    def place(self) -> str:
        """The tracking URI without secrets."""
        return shown(self.tracking_uri)

    @property
    def ui_command(self) -> str | None:
        """What starts the UI, or None where a server already shows it."""
        if scheme_of(self.tracking_uri) in SERVERS:
            return None
        if self.tracking_uri == sqlite_uri(Path("mlflow.db")):
            return "mlflow ui"
        return f"mlflow ui --backend-store-uri {shlex.quote(self.place)}"

    def check_there(self) -> None:
        """Check that the database file is there, which a write would make anew.

        Raises:
            StoreError: it has been moved or removed.
        """
        uri = self.tracking_uri
        if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
            raise StoreError(f"{sqlite_file(uri)} is not there")

    def run_link(self, run_id: str) -> str:
        """The run's page in the UI; for a local store where ``mlflow ui`` serves it."""
        return f"{self._ui}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def where(self, link: str) -> str:
        """The line that tells a reader where to look."""
        after = f"  (after: {self.ui_command})" if self.ui_command else ""
        return f"see      {link}{after}"

    @property
    def _ui(self) -> str:
        on_server = scheme_of(self.tracking_uri) in SERVERS
        return self.place if on_server else "http://127.0.0.1:5000"


def connect(experiment: str | None = None, *, may_resume: bool = False) -> Store:
    """Open the store and the experiment, creating either where it is missing.

    The store is MLFLOW_TRACKING_URI, or ``mlflow.db`` in the working folder. Safe to
    call from many processes at once.

    Args:
        experiment: its name; by default that of MLFLOW_EXPERIMENT_ID or
            MLFLOW_EXPERIMENT_NAME, or ``Default``. A run that ``mlflow run`` has opened
            for this process, MLFLOW_RUN_ID, stays where it is.
        may_resume: MLFLOW_RUN_ID may name a training that was cut off.

    Raises:
        StoreError: the store cannot be used, or MLFLOW_RUN_ID names a run that is not
            for this process; nothing has been created then.
    """
    uri = tracking_uri()
    client = _checked_client(uri)
    with _one_line_errors(uri):
        run = given_run(client, may_resume=may_resume)
        if run is None:
            found = repeated(lambda: _experiment(client, experiment))
        else:
            of_run = run.info.experiment_id
            found = repeated(lambda: client.get_experiment(of_run))
        experiment_id = _active(found)
        location = found.artifact_location
    if is_local_uri(location):
        check_writable(Path(local_file_uri_to_path(location)))
    return Store(uri, experiment_id, client)


def connect_experiment(experiment_id: str, patience: float = 0) -> Store:
    """Open the store and an experiment that is known to be there, as workers do.

    Args:
        experiment_id: of the experiment.
        patience: for how many seconds to wait for a store that is away.

    Raises:
        StoreError: the store cannot be used.
    """
    until = time.monotonic() + patience
    while True:
        try:
            client = open_client()
        except StoreError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
        else:
            return Store(client.tracking_uri, experiment_id, client)


def open_client() -> MlflowClient:
    """A client for reading, of a store that is there already; no right to write.

    Raises:
        StoreError: there is no store, or it cannot be used; nothing has been created.
    """
    uri = tracking_uri()
    check_exists(uri)
    return _checked_client(uri, to_write=False)


def _checked_client(uri: str, *, to_write: bool = True) -> MlflowClient:
    _quieten()
    check_store(uri, to_write=to_write)
    if scheme_of(uri) in DATABASES:
        return client_with_schema(uri)
    return MlflowClient(tracking_uri=uri)


def _experiment(client: MlflowClient, wanted: str | None) -> Experiment:
    """The experiment that is asked for, by argument before environment."""
    if wanted is None and (experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return client.get_experiment(experiment_id)
    name = wanted or os.environ.get("MLFLOW_EXPERIMENT_NAME") or _DEFAULT
    found = client.get_experiment_by_name(name)
    return _create_experiment(client, name) if found is None else found


def _active(found: Experiment) -> str:
    """The id of an experiment, which must not be deleted."""
    if found.lifecycle_stage != "active":
        raise StoreError(
            f"experiment {found.name!r} is deleted; choose another, or restore it with "
            f"`mlflow experiments restore -x {found.experiment_id}`"
        )
    experiment_id: str = found.experiment_id
    return experiment_id


def _create_experiment(client: MlflowClient, name: str) -> Experiment:
    folder = artifact_folder(client.tracking_uri)
    location = None if folder is None else (folder / _file_name(name)).as_uri()
    try:
        created = client.create_experiment(name, artifact_location=location)
    except MlflowException as error:
        faster = client.get_experiment_by_name(name)  # another process was
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or faster is None:
            raise
        return faster
    return client.get_experiment(created)


def _file_name(name: str) -> str:
    """A folder name for an experiment, which may be called anything."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    if plain == name and not name.startswith("."):
        return name
    return f"{plain.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        reason = without_secrets(str(error), uri)
        raise StoreError(f"{shown(uri)} cannot be used: {reason}") from error


def _quieten() -> None:
    """Keep MLflow and its migrations quiet, unless the user wants to hear them."""
    for name, value in (_QUIET | _IMPATIENT).items():
        os.environ.setdefault(name, value)
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for name, level in _LEVELS.items():
            logging.getLogger(name).setLevel(level)
