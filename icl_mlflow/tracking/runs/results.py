"""What finished training runs left behind: found by identity, read back by run id."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from safetensors import SafetensorError
from safetensors.numpy import load_file

from icl_mlflow.tables import read_csv
from icl_mlflow.tasks.wrappers.wrapping import FAIR
from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, content_of, json_of
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import FetchError
from icl_mlflow.tracking.runs.history import HISTORY, LARGEST_HISTORY
from icl_mlflow.tracking.runs.query import ended_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.training.results import MemberResult
from icl_mlflow.training.settings import TrainSettings

#: Where a run keeps the test episodes' log-odds, for paired comparisons.
PREDICTIONS = "predictions.safetensors"
SETTINGS = "settings.json"

#: Bytes of them: a hundred million episodes.
LARGEST_PREDICTIONS = 1 << 31
#: Bytes of a table: a row for each of a million episodes.
LARGEST_TABLE = 1 << 28

_logger = logging.getLogger(__name__)


def finished_runs(store: Store, identities: Iterable[str]) -> dict[str, str]:
    """Identity to run id, of the finished training runs in the store's experiment.

    Of several runs of one identity the newest counts. Every identity is asked for by
    itself: that takes as long in a store of ten runs as in one of ten thousand.
    """
    found = {
        identity: finished_run(store, identity)
        for identity in dict.fromkeys(identities)
    }
    return {identity: run_id for identity, run_id in found.items() if run_id}


def finished_run(
    store: Store, identity: str, parent_run_id: str | None = None
) -> str | None:
    """The newest finished training run of an identity, or None.

    Args:
        store: where to look, in its experiment.
        identity: of the settings.
        parent_run_id: count only runs below this one.
    """
    query = (
        # What few runs have comes first.
        f"tags.settings_hash = '{identity}' AND tags.kind = 'train' "
        "AND attributes.status = 'FINISHED'"
    )
    if parent_run_id is not None:
        query += f" AND tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_run_id}'"
    newest = store.client.search_runs(
        [store.experiment_id],
        query,
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return newest[0].info.run_id if newest else None


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, and the files that it left.

    Attributes:
        run_id, name, experiment_id: of the run.
        tags, params: by name.
        client: of the store.
    """

    run_id: str
    name: str
    experiment_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    client: MlflowClient

    @classmethod
    def of(cls, client: MlflowClient, run_id: str) -> Self:
        """The run with this id.

        Raises:
            ModelError: it is unknown, deleted or still running.
        """
        run = ended_run(client, run_id)
        info, data = run.info, run.data
        return cls(
            run_id=run_id,
            name=info.run_name,
            experiment_id=info.experiment_id,
            tags=data.tags,
            params=data.params,
            client=client,
        )

    @property
    def store(self) -> Store:
        """The store with the run's experiment."""
        return Store(self.client.tracking_uri, self.experiment_id, self.client)

    def table(self, path: str) -> pd.DataFrame:
        """A table among its files.

        Raises:
            FetchError: it is missing, or cannot be fetched; see `fetch`.
            ValueError: it is no table.
        """
        with temporary_folder() as folder:
            return read_csv(self._file(path, folder, LARGEST_TABLE))

    def json(self, path: str) -> Any:
        """A JSON file among its files.

        Raises:
            FetchError: it is missing, or cannot be fetched; see `fetch`.
            ValueError: it is no JSON, or too long.
        """
        with temporary_folder() as folder:
            file = self._file(path, folder, LONGEST_JSON)
            return json_of(content_of(file, LONGEST_JSON))

    def arrays(self, path: str) -> dict[str, Any]:
        """The arrays of a safetensors file, by name.

        Raises:
            FetchError: it is missing, or cannot be fetched; see `fetch`.
            ValueError: it is something else.
        """
        with temporary_folder() as folder:
            file = self._file(path, folder, LARGEST_PREDICTIONS)
            try:
                found: dict[str, Any] = load_file(file)
            except SafetensorError as error:
                raise ValueError(
                    f"{path} of run {self.run_id} is damaged: {error}"
                ) from error
            return found

    def settings(self) -> TrainSettings:
        """The settings that its models were trained with.

        Raises:
            FetchError: they are missing, or cannot be fetched; see `fetch`.
            ValueError: they are no settings.
        """
        try:
            return TrainSettings(**self.json(SETTINGS))
        except TypeError as error:
            raise ValueError(
                f"{SETTINGS} of run {self.run_id} holds no settings: {error}"
            ) from error

    def _file(self, path: str, folder: str, limit: int) -> Path:
        run = self.client.get_run(self.run_id)
        return download(self.client, run, path, folder, limit)


class UnreadableMemberError(ValueError):
    """A finished training run is not as it was left; the message names it."""


def read_member(store: Store, run_id: str) -> MemberResult:
    """Read a finished training run back from its artifacts.

    Raises:
        UnreadableMemberError: a tag or a file is missing, or is something else.
        MlflowException: the store fails.
    """
    run = store.client.get_run(run_id)
    with temporary_folder() as folder:
        try:
            history = download(store.client, run, HISTORY, folder, LARGEST_HISTORY)
            predictions = download(
                store.client, run, PREDICTIONS, folder, LARGEST_PREDICTIONS
            )
            frame, arrays = pd.read_csv(history), load_file(predictions)
            return MemberResult(
                run_id=run_id,
                variant=run.data.tags["variant"],
                seed=int(run.data.tags["seed"]),
                history=frame,
                logit_B=arrays["logit"],
                bayes_B=arrays["bayes"],
                label_B=arrays["label"],
                base_rate=float(run.data.params.get("prior", FAIR)),
            )
        except (KeyError, ValueError, SafetensorError) as error:
            kind = type(error).__name__
            said = error if isinstance(error, FetchError) else f"{kind}: {error}"
            raise UnreadableMemberError(
                f"run {run_id} is not as `train` leaves one: {said}"
            ) from error


def readable_members(store: Store, run_ids: Iterable[str]) -> list[MemberResult]:
    """Those that can be read back, in order; of the others, a line each."""
    found = []
    for run_id in run_ids:
        try:
            found.append(read_member(store, run_id))
        except UnreadableMemberError as error:
            _logger.warning("%s; it is passed over", error)
    return found
