"""What finished training runs left behind: found by identity, read back by run id."""

from collections.abc import Collection
from tempfile import TemporaryDirectory

import pandas as pd
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from safetensors.numpy import load_file

from icl_mlflow.analysis.ablation import Member
from icl_mlflow.tracking.store import Store

#: Where a run keeps the test episodes' log-odds, for paired comparisons.
PREDICTIONS = "predictions.safetensors"
HISTORY = "history.csv"

_PAGE = 1_000


def finished_runs(store: Store, identities: Collection[str]) -> dict[str, str]:
    """Identity to run id, of the finished training runs in the store's experiment.

    Of several runs of one identity the newest counts.
    """
    wanted = set(identities)
    found: dict[str, str] = {}
    token = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id],
            "attributes.status = 'FINISHED' AND tags.kind = 'train'",
            max_results=_PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        for run in page:
            identity = run.data.tags.get("settings_hash", "")
            if identity in wanted:
                found.setdefault(identity, run.info.run_id)
        token = page.token
        if not token:
            return found


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
        "attributes.status = 'FINISHED' AND tags.kind = 'train' "
        f"AND tags.settings_hash = '{identity}'"
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


def read_member(store: Store, run_id: str) -> Member:
    """Read a finished training run back from its artifacts."""
    run = store.client.get_run(run_id)
    with TemporaryDirectory() as folder:
        history = store.client.download_artifacts(run_id, HISTORY, folder)
        frame = pd.read_csv(history)
        predictions = store.client.download_artifacts(run_id, PREDICTIONS, folder)
        arrays = load_file(predictions)
    return Member(
        run_id=run_id,
        variant=run.data.tags["variant"],
        seed=int(run.data.tags["seed"]),
        history=frame,
        logit_B=arrays["logit"],
        bayes_B=arrays["bayes"],
        label_B=arrays["label"],
    )
