"""A thread that delivers a run's records while the program goes on.

It sends what is written down, in order, and tries again for as long as the process
lives; a store that is away, slow or broken costs the program nothing.
"""

import threading
import time
from collections.abc import Callable

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.local.liveness import BEAT
from icl_mlflow.tracking.outbox.delivery import Delivery
from icl_mlflow.tracking.outbox.outbox import Outbox

#: Seconds between attempts: the first pause and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

#: Seconds between two looks at how patient a waiting caller still is.
_GLANCE = 0.2


class Sender:
    """Delivers the records of a run as they come, in a thread of its own.

    Args:
        outbox: of the run.
        delivery: from that outbox.
        beat: gives the store a sign of life; called every `BEAT` seconds, the first
            time after as many, and with True before a delivery is tried again. Nothing
            is delivered any more once it has raised RunInUseError.
    """

    def __init__(
        self, outbox: Outbox, delivery: Delivery, beat: Callable[[bool], None]
    ) -> None:
        self._outbox, self._delivery, self._beat = outbox, delivery, beat
        self._stopping = False
        self._next_beat = time.monotonic() + BEAT
        self._trouble: Exception | None = None
        # A daemon: one that hangs in a request must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._run, name="icl-mlflow-sender", daemon=True
        )
        self._thread.start()

    @property
    def trouble(self) -> Exception | None:
        """Why the last attempt failed; None after one that did not."""
        return self._trouble

    def wait(self, patience: Callable[[], float]) -> bool:
        """Wait until every record is delivered or refused; whether it is.

        With what was delivered verified, if that is to be done.

        Args:
            patience: asked again and again: for how many seconds more.
        """
        with self._outbox.changed:
            while self._delivery.is_busy:
                if self._outbox.lost_to is not None:
                    return False
                left = patience()
                if left <= 0:
                    return False
                # Trouble, which changes the patience, is not notified of.
                self._outbox.changed.wait(min(left, _GLANCE))
        return True

    def stop(self, patience: float) -> bool:
        """End the thread; whether it has ended, or hangs in a request."""
        with self._outbox.changed:
            self._stopping = True
            self._outbox.changed.notify_all()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while self._wait_for_work():
            try:
                if self._trouble or time.monotonic() >= self._next_beat:
                    self._beat(bool(self._trouble))
                    self._next_beat = time.monotonic() + BEAT
                self._delivery.deliver_next()
            except RunInUseError as error:
                self._outbox.lost_to = error
                return
            except Exception as error:  # noqa: BLE001 - a program must not die of it
                self._trouble = error
                self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._trouble, pause = None, _FIRST_PAUSE

    def _wait_for_work(self) -> bool:
        """Wait for a record, or until it is time for a sign of life."""
        with self._outbox.changed:
            while not self._stopping:
                left = self._next_beat - time.monotonic()
                if self._delivery.is_busy or left <= 0 or self._trouble:
                    return True
                self._outbox.changed.wait(left)
        return False

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._outbox.changed:
            while not self._stopping and (left := until - time.monotonic()) > 0:
                self._outbox.changed.wait(left)
