"""Everything that an open run writes goes to disk here, and from there to the store."""

import logging
import time
from pathlib import Path

from icl_mlflow.tracking.courier import Courier
from icl_mlflow.tracking.delivery import Delivery
from icl_mlflow.tracking.location import without_secrets
from icl_mlflow.tracking.outbox import About, Outbox, outbox_folder, write_about
from icl_mlflow.tracking.ownership import Ownership
from icl_mlflow.tracking.preflight import meaning, within_limit
from icl_mlflow.tracking.records import Metrics, Record, Status
from icl_mlflow.tracking.registration import Registered
from icl_mlflow.tracking.sender import Sender
from icl_mlflow.tracking.signals import signals_put_off
from icl_mlflow.tracking.state import runs_folder
from icl_mlflow.tracking.store import Store, StoreError

#: Seconds that the end of a run waits without a record being delivered: while the store
#: seems well, and while it is in trouble; in all; and for a run that is being killed.
_PATIENCE, _PATIENCE_IN_TROUBLE, _PATIENCE_IN_ALL, _PATIENCE_KILLED = 30, 10, 120, 1.0

#: Seconds that the store gets to hear what could not be written down.
_TELLING = 2.0

#: Seconds after which a wait is announced.
_SILENT = 2.0

_logger = logging.getLogger(__name__)


class Dispatch:
    """The outbox of a run that this process has claimed, and its sender.

    Args:
        store: where the run is.
        run_id, name: of the run.
        ownership: of the run.
    """

    def __init__(
        self, store: Store, run_id: str, name: str, ownership: Ownership
    ) -> None:
        self._store, self._run_id, self._ownership = store, run_id, ownership
        folder = outbox_folder(run_id)
        about = About(
            run_id=run_id,
            name=name,
            experiment_id=store.experiment_id,
            place=store.place,
        )
        write_about(folder, about)
        self._outbox = Outbox(folder)
        self._delivery = Delivery(store, run_id, self._outbox)
        self._courier = Courier(self._outbox, self._delivery)
        self._has_ended = False
        self._sender = Sender(self._courier, self._beat)

    def put(self, record: Record) -> None:
        """Write a record down, to be delivered soon.

        Raises:
            OSError: the disk is full, say.
            RunInUseError: another process has taken the run for dead.
        """
        if self._sender.stopped_by is not None:
            raise self._sender.stopped_by
        with signals_put_off():
            self._courier.put(record)

    def keep(self, file: Path) -> str:
        """Take a copy of a file; its SHA-256, for a record to name."""
        return self._outbox.keep(file)

    def points(self) -> set[tuple[str, int]]:
        """The metrics of the run that were ever written down here, by (key, step)."""
        return {
            (key, step)
            for record in self._outbox.written()
            if isinstance(record, Metrics)
            for key, _, _, step in record.points
        }

    def sync(self) -> None:
        """Have every record on the disk, which the system does soon by itself."""
        self._outbox.sync()

    def wait(self) -> bool:
        """Wait a while until all is delivered; whether it is."""
        return self._sender.wait(_Patience(self._courier, self._sender))

    @property
    def registered(self) -> Registered | None:
        """The model of the run, if it has been registered by now."""
        return self._delivery.registered

    def end(self, status: str) -> None:
        """Write down how the run ended, deliver what is left, and say what is not.

        Raises:
            OSError: the disk is full; the run is FAILED then, if the store hears of it.
        """
        self._has_ended = True
        if self._sender.stopped_by is not None:
            # The run is another's, and so is the word on how it ends.
            self._sender.stop(patience=1)
            self._outbox.discard()
            return
        try:
            self.put(Status(status=status, time=now_ms()))
        except OSError:
            self._tell("FAILED" if status == "FINISHED" else status)
            raise
        try:
            self._wait_for_delivery(hurry=status == "KILLED")
        finally:
            with signals_put_off():
                self._close()

    def _tell(self, status: str) -> None:
        """Tell the store how the run ended, where that cannot be written down."""

        def tell() -> None:
            self._store.check_there()
            self._store.client.set_terminated(self._run_id, status)

        try:
            within_limit(tell, self._store.tracking_uri, _TELLING)
        except StoreError as failure:
            _logger.warning("run %s still says RUNNING: %s", self._run_id, failure)

    def _wait_for_delivery(self, *, hurry: bool) -> None:
        if hurry:
            deadline = time.monotonic() + _PATIENCE_KILLED
            self._sender.wait(lambda: deadline - time.monotonic())
            return
        patience = _Patience(self._courier, self._sender)
        announced = time.monotonic() + _SILENT
        if self._sender.wait(lambda: announced - time.monotonic()):
            return
        _logger.warning(
            "waiting for %s to take %d records of run %s ...",
            self._store.place,
            self._courier.n_waiting,
            self._run_id,
        )
        self._sender.wait(patience)

    def _close(self) -> None:
        left = self._courier.n_waiting
        trouble = self._sender.trouble
        self._sender.stop(patience=0 if left else 1)
        if left or self._courier.refusals:
            self._outbox.close()
            self._warn(left, trouble)
        else:
            self._outbox.discard()

    def _warn(self, left: int, trouble: Exception | None) -> None:
        refusals = self._courier.refusals
        _logger.warning(
            "%s of run %s not delivered: %s %s; send them with: icl-mlflow sync %s",
            _counted(left + len(refusals)),
            self._run_id,
            self._store.place,
            f"refused: {refusals[0]}" if not left else self._reason(trouble),
            runs_folder().parent,
        )

    def _reason(self, trouble: Exception | None) -> str:
        if trouble is None:
            return "takes too long"
        text = without_secrets(str(trouble), self._store.tracking_uri)
        return meaning(trouble) or f"failed: {text}"

    def _beat(self, back: bool) -> None:  # noqa: FBT001 - the sender calls it
        self._store.check_there()
        self._ownership.renew()
        if back and not self._has_ended:
            # Somebody may have taken it for dead.
            self._store.client.update_run(self._run_id, status="RUNNING")


def now_ms() -> int:
    """The time as MLflow counts it."""
    return int(time.time() * 1000)


class _Patience:
    """For how many seconds more to wait, given what has been delivered lately."""

    def __init__(self, courier: Courier, sender: Sender) -> None:
        self._courier, self._sender = courier, sender
        self._begun = self._progressed = time.monotonic()
        self._n_waiting = courier.n_waiting

    def __call__(self) -> float:
        now = time.monotonic()
        if self._courier.n_waiting != self._n_waiting:
            self._n_waiting, self._progressed = self._courier.n_waiting, now
        patience = _PATIENCE_IN_TROUBLE if self._sender.trouble else _PATIENCE
        until = min(self._progressed + patience, self._begun + _PATIENCE_IN_ALL)
        return until - now


def _counted(n: int) -> str:
    return "1 record" if n == 1 else f"{n} records"
