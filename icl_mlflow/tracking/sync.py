"""Deliver what runs of this machine have written down and their store does not have."""

from collections.abc import Iterable
from dataclasses import dataclass

from icl_mlflow.tracking.courier import Courier
from icl_mlflow.tracking.delivery import Delivery
from icl_mlflow.tracking.location import (
    StoreError,
    shown,
    tracking_uri,
    without_secrets,
)
from icl_mlflow.tracking.outbox import About, Outbox, outbox_folder, read_about
from icl_mlflow.tracking.preflight import meaning
from icl_mlflow.tracking.records import Status
from icl_mlflow.tracking.state import (
    RunInUseError,
    claimed,
    forget,
)
from icl_mlflow.tracking.store import Store, connect_experiment
from icl_mlflow.tracking.waiting import variable, waiting_runs

_STORE_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What became of the records of one run.

    Attributes:
        run_id: of the run.
        delivered: how many records the store has taken.
        place: the store.
        has_ended: whether they say how the run ended; if not, its process has died.
        problem: why not all were delivered; empty if all were.
    """

    run_id: str
    delivered: int
    place: str
    has_ended: bool = True
    problem: str = ""


def sync_all(run_ids: Iterable[str]) -> None:
    """Deliver what some of these runs may have left, if their store takes it now."""
    for run_id in set(waiting_runs()).intersection(run_ids):
        sync(run_id)


def sync(run_id: str) -> Synced | None:
    """Deliver what a run has written down; None where nothing is left to deliver.

    Each record arrives once, whoever else delivers and however often this is done.
    """
    try:
        with claimed(run_id):
            try:
                folder = outbox_folder(run_id)
                return _deliver(read_about(folder)) if folder.is_dir() else None
            finally:
                forget(run_id)
    except RunInUseError as busy:
        return Synced(run_id=run_id, delivered=0, place="", problem=str(busy))
    except (ValueError, OSError) as error:
        return Synced(run_id=run_id, delivered=0, place="", problem=str(error))


def _deliver(about: About) -> Synced:
    outbox = Outbox(outbox_folder(about.run_id))
    problems, before = [], 0
    courier: Courier | None = None
    try:
        store = _store_of(about)
        courier = Courier(outbox, Delivery(store, about.run_id, outbox))
        before = courier.n_waiting
        problem = _deliver_all(courier, store)
        problems += [problem] if problem else []
        problems += [f"refused: {text}" for text in courier.refusals]
    except StoreError as error:
        problems.append(str(error))
    problems += [f"damaged: {damage}" for damage in outbox.damaged]
    has_ended = _has_ended(outbox)
    if problems:
        outbox.close()
    else:
        outbox.discard()
    left = courier.n_waiting + len(courier.refusals) if courier else before
    return Synced(
        run_id=about.run_id,
        delivered=before - left,
        place=about.place,
        has_ended=has_ended,
        problem="; ".join(problems),
    )


def _deliver_all(courier: Courier, store: Store) -> str:
    """Deliver until nothing waits; why that could not be done."""
    while courier.n_waiting:
        try:
            courier.deliver_next()
        except Exception as error:  # noqa: BLE001 - whatever it is, the records stay
            reason = without_secrets(str(error), store.tracking_uri)
            why = meaning(error) or f"failed: {reason}"
            return f"{courier.n_waiting} records still wait: {store.place} {why}"
    return ""


def _has_ended(outbox: Outbox) -> bool:
    said = [record for record in outbox.written() if isinstance(record, Status)]
    return bool(said) and said[-1].status != "RUNNING"


def _store_of(about: About) -> Store:
    """The store of a run: by the user's URI, which has the password, if it is that."""
    if shown(tracking_uri()) == about.place:
        return connect_experiment(about.experiment_id)
    with variable(_STORE_VARIABLE, about.place):
        return connect_experiment(about.experiment_id)
