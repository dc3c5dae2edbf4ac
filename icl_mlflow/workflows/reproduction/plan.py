"""What `reproduce` would train and what it would reuse, without doing it."""

import os

from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.tracking.runs.results import finished_runs
from icl_mlflow.tracking.store.connection import Store, open_client
from icl_mlflow.tracking.store.uri import StoreError
from icl_mlflow.workflows.dry_run import plan_members


def plan_reproduction(
    request: Request, experiment: str | None, *, page_only: bool = False
) -> str:
    """Members by experiment of training, and what the missing ones would take.

    Creates nothing, and reads what this user may only read.

    Args:
        request: of `icl_mlflow.suite.request.papers_trainings`.
        experiment: whose finished members count, by name; as for a training if None.
        page_only: nothing would be trained.

    Raises:
        StoreError: the tracking store cannot be used.
    """
    finished = _finished(request, experiment)
    lines = []
    for training in dict.fromkeys((m.task, m.variant) for m in request.members):
        members = [m for m in request.members if (m.task, m.variant) == training]
        reused = [m.seed for m in members if m.identity in finished]
        new = [m.seed for m in members if m.identity not in finished]
        told = [
            f"{what} seeds {shown_seeds(seeds)}"
            for what, seeds in (("reused:", reused), ("to train:", new))
            if seeds
        ]
        lines.append(f"{'-'.join(training):28} {', '.join(told)}")
    missing = [m for m in request.members if m.identity not in finished]
    if missing and not page_only:
        return "\n".join([*lines, plan_members(missing, request.execution)])
    return "\n".join([*lines, "dry run: nothing was trained, no run was created"])


def _finished(request: Request, experiment: str | None) -> dict[str, str]:
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "Default"
    try:
        client = open_client()
    except StoreError:
        return {}  # no store yet
    found = client.get_experiment_by_name(name)
    if found is None:
        return {}
    store = Store(client.tracking_uri, found.experiment_id, client)
    return finished_runs(store, [member.identity for member in request.members])
