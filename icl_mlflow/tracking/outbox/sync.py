"""Deliver what runs of this machine have written down and their store does not have."""

import contextlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.claims import (
    STATE_VARIABLE,
    RunInUseError,
    claimed,
    end_checkpoints,
    forget,
    rename,
    runs_folder,
)
from icl_mlflow.tracking.outbox.delivery import UNKEPT, Delivery
from icl_mlflow.tracking.outbox.destination import Destination, read_destination
from icl_mlflow.tracking.outbox.outbox import Outbox, outbox_folder
from icl_mlflow.tracking.outbox.pending import resumable_runs, variable, waiting_runs
from icl_mlflow.tracking.outbox.records import Status
from icl_mlflow.tracking.outbox.store_writes import StoreWriter
from icl_mlflow.tracking.runs.resume import command_to_resume
from icl_mlflow.tracking.store.connection import Store, connect_experiment, open_client
from icl_mlflow.tracking.store.failures import meaning
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.uri import (
    StoreError,
    scheme_of,
    shown,
    tracking_uri,
    without_secrets,
)

_STORE_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What became of the records of one run.

    Attributes:
        run_id: of the run.
        delivered: how many records the store has taken.
        place: the store.
        has_ended: whether they say how the run ended; if not, its process has died.
        problem: why not all were delivered; empty if all were.
        resume: the command that resumes a run that did not end; None if none can.
    """

    run_id: str
    delivered: int
    place: str
    has_ended: bool = True
    problem: str = ""
    resume: str | None = None


def tidy_up() -> list[str]:
    """Remove checkpoints of runs that have finished, which nobody resumes.

    Such a run was killed after its end, or has finished on another machine. Returns the
    ids. A store that cannot be asked, and a run in use, is left as it is.
    """
    done = []
    for run_id in resumable_runs():
        with contextlib.suppress(StoreError, MlflowException, RunInUseError):
            if open_client().get_run(run_id).info.status == "FINISHED":
                end_checkpoints(run_id)
                done.append(run_id)
    return done


def sync_all(run_ids: Iterable[str]) -> None:
    """Deliver what some of these runs may have left, if their store takes it now."""
    for run_id in set(waiting_runs()).intersection(run_ids):
        sync(run_id)


@quiet_mlflow()
def sync(run_id: str) -> SyncResult | None:
    """Deliver what a run has written down; None where nothing is left to deliver.

    Each record arrives once, whoever else delivers and however often this is done.
    """
    try:
        with claimed(run_id, "delivered"):
            folder, run_now = outbox_folder(run_id), run_id
            try:
                if not folder.is_dir():
                    return None
                done = _deliver(run_id, read_destination(folder))
                run_now = done.run_id
                return done
            finally:
                forget(run_now)
    except RunInUseError as busy:
        return SyncResult(run_id=run_id, delivered=0, place="", problem=str(busy))
    except (ValueError, OSError) as error:
        return SyncResult(run_id=run_id, delivered=0, place="", problem=str(error))


def needed_variables(place: str, usual: Path) -> str:
    """What a command needs before its name in order to find what was just delivered.

    Args:
        place: the store that it went to.
        usual: where runs keep their state when nobody says otherwise.
    """
    words = []
    if shown(tracking_uri()) != place:
        words.append(f"{_STORE_VARIABLE}={shlex.quote(place)} ")
    if runs_folder() != usual:
        words.append(f"{STATE_VARIABLE}={shlex.quote(str(runs_folder().parent))} ")
    return "".join(words)


def _deliver(run_id: str, destination: Destination) -> SyncResult:
    outbox = Outbox(outbox_folder(run_id))
    problems, n_delivered, client = [], 0, None
    has_ended = _has_ended(outbox)
    try:
        store = _store_of(destination)
        store.reopen()
        delivery = Delivery(outbox, StoreWriter(store, destination, outbox))
        problem = _deliver_all(delivery, store)
        problems += [problem] if problem else []
        problems += [f"refused: {text}" for text in delivery.refusals]
        n_delivered = delivery.n_delivered
        if not has_ended and not problem:
            client = store.client
    except StoreError as error:
        problems.append(str(error))
    problems += [f"damaged: {damage}" for damage in outbox.damaged]
    if problems:
        outbox.close()
    else:
        outbox.discard()
    run_now = outbox.progress.run_id or destination.run_id
    rename(run_id, run_now)
    return SyncResult(
        run_id=run_now,
        delivered=n_delivered,
        place=destination.place,
        has_ended=has_ended,
        problem="; ".join(problems),
        resume=command_to_resume(client, run_now) if client else None,
    )


def _deliver_all(delivery: Delivery, store: Store) -> str:
    """Deliver until the store has everything; why that could not be done."""
    delivery.conclude()
    while delivery.is_busy:
        try:
            delivery.deliver_next()
        except Exception as error:  # noqa: BLE001 - whatever it is, the records stay
            reason = without_secrets(str(error), store.tracking_uri)
            why = meaning(error, store.tracking_uri) or f"failed: {reason}"
            return f"{delivery.n_waiting} records still wait: {store.place} {why}"
    if delivery.n_unkept:
        return f"{delivery.n_unkept} records are not there: {store.place} {UNKEPT}"
    return ""


def _has_ended(outbox: Outbox) -> bool:
    said = [
        one.record.status for one in outbox.written() if isinstance(one.record, Status)
    ]
    return bool(said) and said[-1] != "RUNNING"


def _store_of(destination: Destination) -> Store:
    """The store of a run: that of the user's URI, or a file of this machine.

    What says where records belong may be anybody's, so it is told no password.

    Raises:
        StoreError: another server, or it cannot be used.
    """
    if shown(tracking_uri()) == destination.place:
        return connect_experiment(destination.experiment_id)
    if scheme_of(destination.place) != "sqlite":
        raise StoreError(
            f"its records are for {destination.place}, and passwords go to no other "
            "place than MLFLOW_TRACKING_URI; to send them, set it to that, and the "
            "user and password that belong to it"
        )
    with variable(_STORE_VARIABLE, destination.place):
        return connect_experiment(destination.experiment_id)
