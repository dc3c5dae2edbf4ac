"""Find runs: one that has ended, and those that belong to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from icl_mlflow.tracking.local.safe_read import (
    LONGEST_JSON,
    ModelError,
    content_of,
    json_of,
)
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import MissingFileError
from icl_mlflow.tracking.store.failures import meaning
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.tracking.store.uri import shown, without_secrets

#: How a reader may name what is looked for.
FORMS = (
    "a run id, runs:/ID, models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest "
    "or models:/MODEL_ID"
)

#: Where a suite lists its members: run id, and whether it was reused.
MEMBERS = "members.json"


class TrackedRun(Protocol):
    """A result that knows its run."""

    @property
    def run_id(self) -> str:
        """Of the run, or of the parent run."""


#: A result, the id of its run, or the name of a model; see `FORMS`.
Reference = str | TrackedRun


def reference_of(run: Reference) -> str:
    """The id of a result's run; what is text already, as it is.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(run, str):
        return run
    try:
        return run.run_id
    except AttributeError:
        raise TypeError(
            f"give a result of train, {FORMS}, not a {type(run).__name__}"
        ) from None


def run_id_of(reference: str) -> str:
    """The run of ``runs:/ID`` or ``runs:/ID/NAME``; anything else as it is.

    >>> run_id_of("runs:/4f2a/A-baseline-seed0"), run_id_of("models:/icl-A-baseline/1")
    ('4f2a', 'models:/icl-A-baseline/1')
    """
    if not reference.startswith("runs:/"):
        return reference
    return reference.removeprefix("runs:/").partition("/")[0]


def ended_run(client: MlflowClient, run_id: str) -> Run:
    """A run that is there and has ended, however it ended.

    Raises:
        ModelError: the run is unknown, deleted or still running.
    """
    run = known_run(client, run_id)
    if run.info.status in {"RUNNING", "SCHEDULED"}:
        raise ModelError(f"run {run_id} is still running; wait until it has finished")
    return run


def known_run(client: MlflowClient, run_id: str) -> Run:
    """A run that is there, and may be under way.

    Raises:
        ModelError: the run is unknown or deleted.
    """
    with one_line_errors(client, missing=f"there is no run {run_id!r}; give {FORMS}"):
        run = client.get_run(run_id)
    if run.info.lifecycle_stage == "deleted":
        raise ModelError(
            f"run {run_id} is deleted; restore it with "
            f"`mlflow runs restore --run-id {run_id}`"
        )
    return run


def child_runs(client: MlflowClient, run: Run) -> list[Run]:
    """The runs below a run, and those that a suite reused; deleted ones left out."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    below = all_runs(client, run.info.experiment_id, query)
    return [*_reused_runs(client, run), *below]


def all_runs(client: MlflowClient, experiment_id: str, query: str) -> list[Run]:
    """Every run of an experiment that matches a query, from however many pages."""
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], query, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _reused_runs(client: MlflowClient, run: Run) -> list[Run]:
    """Members of a suite that an earlier suite has trained, and is the parent of."""
    with temporary_folder() as folder:
        try:
            file = download(client, run, MEMBERS, folder, LONGEST_JSON)
            members = json_of(content_of(file, LONGEST_JSON))
            reused = [str(m["run_id"]) for m in members if m["reused"]]
        except MissingFileError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{MEMBERS} of run {run.info.run_id} is damaged: {error}"
            ) from error
    runs = [client.get_run(run_id) for run_id in reused]
    return [found for found in runs if found.info.lifecycle_stage == "active"]


@contextmanager
def one_line_errors(client: MlflowClient, missing: str = "") -> Iterator[None]:
    """Turn what MLflow raises into a ModelError: ``missing`` where nothing is found."""
    try:
        yield
    except MlflowException as error:
        if missing and error.error_code in {
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        }:
            raise ModelError(missing) from error
        uri = client.tracking_uri
        reason = without_secrets(str(error), uri)
        why = meaning(error, uri) or f"cannot give the model: {reason}"
        raise ModelError(f"{shown(uri)} {why}") from error
