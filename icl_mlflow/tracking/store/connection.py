"""The tracking store: connect to it, and to the experiment that runs go to."""

import functools
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.runs.given_run import given_run
from icl_mlflow.tracking.runs.outer_run import outer_run
from icl_mlflow.tracking.store import ui
from icl_mlflow.tracking.store.failures import meaning
from icl_mlflow.tracking.store.mlflow_internals import local_folder
from icl_mlflow.tracking.store.moved_files import may_have_files, missing_folder
from icl_mlflow.tracking.store.preflight import (
    check_exists,
    check_state,
    check_store,
    check_writable,
)
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.run_files import check_place
from icl_mlflow.tracking.store.schema import client_with_schema
from icl_mlflow.tracking.store.uri import (
    DATABASES,
    StoreError,
    artifact_folder,
    scheme_of,
    shown,
    sqlite_file,
    tracking_uri,
    without_secrets,
)

__all__ = ["Store", "StoreError", "connect", "connect_experiment", "open_client"]

_DEFAULT = "Default"

#: Seconds between two attempts to reach a store that is away.
_PAUSE = 1.0


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

    @functools.cached_property
    def experiment_name(self) -> str:
        """By which the experiment is found again, whatever number it gets."""
        find = functools.partial(self.client.get_experiment, self.experiment_id)
        name: str = repeated(find).name
        return name

    @property
    def place(self) -> str:
        """The tracking URI without secrets."""
        return shown(self.tracking_uri)

    @property
    def ui_command(self) -> str | None:
        """What starts the UI, or None where a server already shows it."""
        return ui.ui_command(self.tracking_uri)

    def check_there(self) -> None:
        """Check that the database file is there, which a write would make anew.

        Raises:
            StoreError: it has been moved or removed.
        """
        uri = self.tracking_uri
        if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
            raise StoreError(f"{sqlite_file(uri)} is not there")

    def reopen(self) -> None:
        """Let go of connections to a database: its file may have been replaced.

        sqlite goes on with the file that it has opened, though it has been removed.
        """
        if scheme_of(self.tracking_uri) == "sqlite":
            for part in (
                self.client._tracking_client.store,
                self.client._get_registry_client().store,
            ):
                part.engine.dispose()

    def run_link(self, run_id: str, artifact: str = "") -> str:
        """The page of a run, or of one of its artifacts, in the UI.

        For a local store where ``mlflow ui`` serves it.
        """
        return ui.run_page(self.tracking_uri, self.experiment_id, run_id, artifact)

    def model_link(self, name: str, version: str) -> str:
        """The page of a registered version in the UI."""
        return ui.model_page(self.tracking_uri, name, version)

    def comparison_link(
        self, parent_run_id: str, run_ids: Sequence[str], *, by: Sequence[str]
    ) -> str:
        """The comparison of a suite's members in the UI, grouped by tags of theirs."""
        view = ui.share_comparison(
            self.client, self.experiment_id, parent_run_id, run_ids, by=by
        )
        return ui.comparison_page(self.tracking_uri, self.experiment_id, view)

    def where(self, link: str) -> str:
        """The line that tells a reader where to look."""
        after = f"  (after: {self.ui_command})" if self.ui_command else ""
        return f"see      {link}{after}"


@quiet_mlflow()
def connect(
    experiment: str | None = None,
    otherwise: str | None = None,
    *,
    may_resume: bool = False,
) -> Store:
    """Open the store and the experiment, creating either where it is missing.

    The store is MLFLOW_TRACKING_URI, or ``mlflow.db`` in the working folder. Safe to
    call from many processes at once.

    Args:
        experiment: its name; by default that of the run that is open by
            ``mlflow.start_run``, or of MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME,
            or ``Default``. A run that ``mlflow run`` has opened for this process,
            MLFLOW_RUN_ID, stays where it is.
        otherwise: another default, before all of these.
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
            found = repeated(lambda: _experiment(client, experiment or otherwise))
        else:
            of_run = run.info.experiment_id
            found = repeated(lambda: client.get_experiment(of_run))
        experiment_id = _active(found)
    if run is not None and experiment not in {None, found.name}:
        raise StoreError(
            f"experiment {experiment!r} is not where `mlflow run` has opened the run, "
            f"which is {found.name!r}; use `mlflow run --experiment-name`"
        )
    location = found.artifact_location
    check_place(location, uri, "the experiment")
    check_state()
    moved = missing_folder(location, uri)
    if moved and may_have_files(client, experiment_id):
        raise StoreError(
            f"the files of this experiment belong in {moved}, which is not there; was "
            "the folder moved? Choose another experiment, or make that folder again"
        )
    if folder := local_folder(location):
        check_writable(folder)
    with _one_line_errors(uri):
        given = None if run is None else run.info.run_id
        repeated(lambda: ui.describe(client, found, given))
    return Store(uri, experiment_id, client)


@quiet_mlflow()
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


def answered_run(store: Store, run_id: str) -> Run:
    """A run, from an answer that is about this run indeed.

    Raises:
        StoreError: something answers that is no tracking store.
    """
    run = store.client.get_run(run_id)
    if run.info.run_id != run_id:
        raise StoreError(f"{store.place} answers, but not as a tracking server does")
    return run


@quiet_mlflow()
def open_client() -> MlflowClient:
    """A client for reading, of a store that is there already; no right to write.

    Raises:
        StoreError: there is no store, or it cannot be used; nothing has been created.
    """
    uri = tracking_uri()
    check_exists(uri)
    return _checked_client(uri, to_write=False)


def _checked_client(uri: str, *, to_write: bool = True) -> MlflowClient:
    check_store(uri, to_write=to_write)
    if scheme_of(uri) in DATABASES:
        return client_with_schema(uri)
    return MlflowClient(tracking_uri=uri)


def _experiment(client: MlflowClient, wanted: str | None) -> Experiment:
    """The experiment that is asked for, by argument before environment."""
    if wanted is None and (outer := outer_run(client)) is not None:
        return client.get_experiment(outer.info.experiment_id)
    if wanted is None and (experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return client.get_experiment(experiment_id)
    name = wanted or os.environ.get("MLFLOW_EXPERIMENT_NAME") or _DEFAULT
    return _named_experiment(client, name)


def named_experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment, which is made where it is missing.

    Raises:
        StoreError: it is deleted.
    """
    return _active(_named_experiment(client, name))


def _named_experiment(client: MlflowClient, name: str) -> Experiment:
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
        why = meaning(error, uri) or f"cannot be used: {reason}"
        raise StoreError(f"{shown(uri)} {why}") from error
