"""The writer of an open run: records go to disk, and from there to the store."""

import logging
import time
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.claims import runs_folder
from icl_mlflow.tracking.local.signals import signals_put_off
from icl_mlflow.tracking.models.registration import RegisteredModel
from icl_mlflow.tracking.outbox.delivery import UNKEPT, Delivery
from icl_mlflow.tracking.outbox.destination import Destination, write_destination
from icl_mlflow.tracking.outbox.outbox import Outbox, outbox_folder
from icl_mlflow.tracking.outbox.records import Point, Status
from icl_mlflow.tracking.outbox.sender import Sender
from icl_mlflow.tracking.outbox.store_writes import StoreWriter
from icl_mlflow.tracking.runs.ownership import Ownership, mark_ended
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.failures import meaning
from icl_mlflow.tracking.store.preflight import within_limit
from icl_mlflow.tracking.store.uri import without_secrets

#: Seconds that the end of a run waits without a record being delivered: while the store
#: seems well, and while it is in trouble; in all; and for a run that is being killed.
_PATIENCE, _PATIENCE_IN_TROUBLE, _PATIENCE_IN_ALL, _PATIENCE_KILLED = 30, 10, 120, 1.0

#: Seconds that the store gets to hear what could not be written down.
_TELLING = 2.0

#: Seconds after which a wait is announced.
_SILENT = 2.0

_logger = logging.getLogger(__name__)


class RunWriter:
    """The outbox of a run that this process has claimed, and its sender.

    Args:
        store: where the run is.
        destination: the run.
        ownership: of the run.
        had: the metrics that the run has already: kept here as well, for another run
            to be made of should the store lose this one.

    Attributes:
        outbox: takes what is written.

    Raises:
        LaterFormatError: a later version of this package has written there.
        OSError: there is no place to write.
    """

    def __init__(
        self,
        store: Store,
        destination: Destination,
        ownership: Ownership,
        had: Sequence[Point] = (),
    ) -> None:
        self._store, self._ownership = store, ownership
        folder = outbox_folder(destination.run_id)
        write_destination(folder, destination)
        self.outbox = Outbox(folder)
        self.outbox.begin_with(had)
        self._store_writer = StoreWriter(store, destination, self.outbox)
        self._delivery = Delivery(self.outbox, self._store_writer)
        self._has_ended = False
        self._sender = Sender(self.outbox, self._delivery, self._beat)

    @property
    def run_id(self) -> str:
        """The id of the run: another one if the store has lost the first."""
        return self._store_writer.run_id

    def wait(self) -> bool:
        """Wait a while until everything is delivered; whether it is."""
        return self._sender.wait(_Patience(self._delivery, self._sender))

    @property
    def registered(self) -> RegisteredModel | None:
        """The model of the run, if it has been registered by now."""
        return self._store_writer.registered

    def end(self, status: str) -> None:
        """Write down how the run ended, deliver what is left, and say what is not.

        Raises:
            OSError: the disk is full; the run is FAILED then, if the store hears of it.
        """
        self._has_ended = True
        if self.outbox.lost_to is not None:
            # The run is another's, and so is the word on how it ends.
            self._sender.stop(patience=1)
            self.outbox.discard()
            return
        try:
            self.outbox.put(Status(status=status, time=now_ms()))
        except OSError:
            self._tell("FAILED" if status == "FINISHED" else status)
            raise
        self._delivery.conclude()
        try:
            self._wait_for_delivery(hurry=status == "KILLED")
        finally:
            with signals_put_off():
                self._close()

    def _tell(self, status: str) -> None:
        """Tell the store how the run ended, where that cannot be written down."""

        def tell() -> None:
            self._store.check_there()
            mark_ended(self._store.client, self.run_id, status)

        try:
            within_limit(tell, self._store.tracking_uri, _TELLING)
        except StoreError as failure:
            _logger.warning("run %s still says RUNNING: %s", self.run_id, failure)

    def _wait_for_delivery(self, *, hurry: bool) -> None:
        if hurry:
            deadline = time.monotonic() + _PATIENCE_KILLED
            self._sender.wait(lambda: deadline - time.monotonic())
            return
        patience = _Patience(self._delivery, self._sender)
        announced = time.monotonic() + _SILENT
        if self._sender.wait(lambda: announced - time.monotonic()):
            return
        what = _counted(n) if (n := self._delivery.n_waiting) else "what it has"
        verb = "take" if n else "say"
        _logger.warning(
            "waiting for %s to %s %s of run %s ...",
            self._store.place,
            verb,
            what,
            self.run_id,
        )
        self._sender.wait(patience)

    def _close(self) -> None:
        is_busy, trouble = self._delivery.is_busy, self._sender.trouble
        self._sender.stop(patience=0 if is_busy else 1)
        if is_busy or self._delivery.n_left:
            self.outbox.close()
            self._warn(trouble)
        else:
            self.outbox.discard()

    def _warn(self, trouble: Exception | None) -> None:
        delivery = self._delivery
        if not delivery.n_left:
            _logger.warning(
                "not verified that all of run %s is kept: %s %s; ask again with: "
                "icl-mlflow sync %s",
                self.run_id,
                self._store.place,
                self._reason(trouble),
                runs_folder().parent,
            )
            return
        if delivery.n_waiting:
            reason = self._reason(trouble)
        elif delivery.n_unkept:
            reason = UNKEPT
        else:
            reason = f"refused: {delivery.refusals[0]}"
        _logger.warning(
            "%s of run %s not delivered: %s %s; send them with: icl-mlflow sync %s",
            _counted(delivery.n_left),
            self.run_id,
            self._store.place,
            reason,
            runs_folder().parent,
        )

    def _reason(self, trouble: Exception | None) -> str:
        if trouble is None:
            return "takes too long"
        uri = self._store.tracking_uri
        text = without_secrets(str(trouble), uri)
        return meaning(trouble, uri) or f"failed: {text}"

    def _beat(self, back: bool) -> None:  # noqa: FBT001 - the sender calls it
        if self._has_ended and not self._delivery.is_busy:
            return  # the run is over, and its last sign of life removed
        self._store.check_there()
        if back:
            self._store.reopen()
        if self._ownership.run_id != self.run_id:  # the run was made anew
            self._ownership = Ownership(self._store.client, self.run_id)
        try:
            self._ownership.renew()
        except MlflowException:
            if not self._store_writer.make_anew_if_gone():
                raise
            self._delivery.begin_anew()
        if back and not self._has_ended:
            # Somebody may have taken it for dead.
            self._store.client.update_run(self.run_id, status="RUNNING")


def now_ms() -> int:
    """The time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)


class _Patience:
    """For how many seconds more to wait, given what has been delivered lately."""

    def __init__(self, delivery: Delivery, sender: Sender) -> None:
        self._delivery, self._sender = delivery, sender
        self._begun = self._progressed = time.monotonic()
        self._n_waiting = delivery.n_waiting

    def __call__(self) -> float:
        now = time.monotonic()
        if self._delivery.n_waiting != self._n_waiting:
            self._n_waiting, self._progressed = self._delivery.n_waiting, now
        patience = _PATIENCE_IN_TROUBLE if self._sender.trouble else _PATIENCE
        until = min(self._progressed + patience, self._begun + _PATIENCE_IN_ALL)
        return until - now


def _counted(n: int) -> str:
    return "1 record" if n == 1 else f"{n} records"
