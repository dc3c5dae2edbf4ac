"""Everything of MLflow that is used and is not its public API: here alone.

A new version of MLflow may move any of it; then this file and its tests say what is
missing. Each is imported when it is called: most are slow to import and needed by few.
"""

# ruff: noqa: PLC0415

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import requests

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import FileInfo, Metric, Param, RunTag
    from sqlalchemy import Engine

#: The file that describes a stored model, as `mlflow.models.model` names it.
MODEL_FILE = "MLmodel"

#: Before the key of a view that is shared, in the tags of its experiment.
SHARED_VIEW = "mlflow.sharedViewState."

#: What MLflow takes in no name of a stored model.
_NOT_IN_NAMES = str.maketrans(dict.fromkeys("/:.%\"'", "_"))


def logged_model_name(text: str) -> str:
    """A text as a name that MLflow takes for a stored model.

    >>> logged_model_name("A-noisy_labels_0.2-seed0")
    'A-noisy_labels_0_2-seed0'
    """
    return text.translate(_NOT_IN_NAMES)


class ArtifactFiles(Protocol):
    """What can be asked of the files at a location of artifacts.

    Attributes:
        artifact_uri: the location.
    """

    artifact_uri: str

    def list_artifacts(self, path: str | None = None) -> "list[FileInfo]":
        """The files and folders in one folder."""
        ...

    def download_artifacts(self, artifact_path: str, dst_path: str) -> str:
        """Fetch a file or a folder; where it is then."""
        ...


def local_folder(location: str) -> Path | None:
    """The folder of this machine that a location of artifacts stands for, or None."""
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    return Path(local_file_uri_to_path(location)) if is_local_uri(location) else None


def artifact_files(location: str, tracking_uri: str) -> ArtifactFiles:
    """What lists, fetches and keeps files at a location of artifacts."""
    from mlflow.store.artifact.artifact_repository_registry import (
        get_artifact_repository,
    )

    found: ArtifactFiles = get_artifact_repository(location, tracking_uri=tracking_uri)
    return found


def name_and_version(client: "MlflowClient", reference: str) -> tuple[str, str]:
    """The name and the number that ``models:/NAME/VERSION`` or an alias stands for."""
    from mlflow.store.artifact.utils.models import get_model_name_and_version

    with warnings.catch_warnings():
        # Stages are deprecated, but may still be in use.
        warnings.simplefilter("ignore", FutureWarning)
        name, version = get_model_name_and_version(client, reference)
    return str(name), str(version)


def model_id_of(reference: str) -> str | None:
    """The id of a stored model that ``models:/...`` gives, or None if it gives a name.

    Raises:
        MlflowException: it gives neither.
    """
    from mlflow.store.artifact.utils.models import _parse_model_uri

    return _parse_model_uri(reference).model_id


def request(server: str, path: str, method: str, **options: Any) -> requests.Response:
    """Ask a server as MLflow does: with its credentials, certificates and plug-ins.

    Args:
        server: its address.
        path: of the request, from the address on.
        method: ``GET``, ``POST``, ...
        options: of `requests`, and ``max_retries`` and ``raise_on_status``.
    """
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    answer: requests.Response = http_request(
        get_default_host_creds(server), path, method, **options
    )
    return answer


def raise_for_status(answer: requests.Response) -> None:
    """Raise what a failed answer says, with its text.

    Raises:
        requests.HTTPError: the status of the answer is an error.
    """
    from mlflow.utils.request_utils import augmented_raise_for_status

    augmented_raise_for_status(answer)


def checked_batch(
    metrics: Sequence["Metric"] = (),
    params: Sequence["Param"] = (),
    tags: Sequence["RunTag"] = (),
) -> tuple[list["Metric"], list["Param"], list["RunTag"]]:
    """A batch as MLflow would take it, with texts cut to what it can hold.

    Raises:
        MlflowException: a name or value that it would refuse.
    """
    from mlflow.utils.validation import _validate_batch_log_data

    found = _validate_batch_log_data(list(metrics), list(params), list(tags))
    return found[0], found[1], found[2]


def is_drawn_name(name: str) -> bool:
    """Whether MLflow has drawn a run's name, such as ``bold-crane-482``."""
    from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES

    first, _, rest = name.partition("-")
    noun, _, number = rest.partition("-")
    return (
        number.isdecimal()
        and first in {word.lower() for word in _GENERATOR_PREDICATES}
        and noun in {word.lower() for word in _GENERATOR_NOUNS}
    )


def transfer_seconds() -> int | None:
    """Seconds that the user grants the transfer of an artifact, or None."""
    from mlflow.environment_variables import MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT

    return MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT.get() or None


def database_engine(uri: str) -> "Engine":
    """A connection pool to a database, set up as MLflow's own."""
    from mlflow.store.db.utils import create_sqlalchemy_engine

    engine: Engine = create_sqlalchemy_engine(uri)
    return engine


def has_tables(engine: "Engine") -> bool:
    """Whether a database has the tables that MLflow looks for before it makes them."""
    from mlflow.store.db.utils import _all_tables_exist

    return bool(_all_tables_exist(engine))


def table_names() -> frozenset[str]:
    """The tables that a database has once MLflow has made all of them."""
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking import sqlalchemy_store  # noqa: F401 -- declares them

    return frozenset(Base.metadata.tables)


def make_tables(uri: str, artifacts: Path | None) -> None:
    """Make MLflow's tables in a database; that takes seconds.

    Args:
        uri: of the database.
        artifacts: the folder that experiments keep their files in by default.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, str(artifacts)).engine.dispose()
