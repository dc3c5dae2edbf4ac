"""What finished training runs left behind: found by identity, read back by run id."""

import logging
from collections.abc import Iterable

import pandas as pd
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from safetensors import SafetensorError
from safetensors.numpy import load_file

from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import FetchError
from icl_mlflow.tracking.runs.history import HISTORY, LARGEST_HISTORY
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.training.results import MemberResult

#: Where a run keeps the test episodes' log-odds, for paired comparisons.
PREDICTIONS = "predictions.safetensors"

#: Bytes of them: a hundred million episodes.
LARGEST_PREDICTIONS = 1 << 31

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
