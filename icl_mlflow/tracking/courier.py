"""Deliver what waits in an outbox, in order, each record once.

What is delivered is remembered on disk after the fact; so of what was under way when a
process died or a request failed, nobody knows. Of that, the store is asked first.
"""

import threading
from collections import deque
from itertools import islice

from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.delivery import METRICS_PER_BATCH, Delivery, batch_of
from icl_mlflow.tracking.location import redacted
from icl_mlflow.tracking.outbox import DamagedFileError, Outbox, Pending
from icl_mlflow.tracking.records import Record

#: What a store says of a record that it will never take.
_REFUSALS = {"INVALID_PARAMETER_VALUE"}


class Courier:
    """Delivers for one run; one thread delivers, others may put records in.

    Attributes:
        changed: notified whenever a record is put in or has been seen to.
    """

    def __init__(self, outbox: Outbox, delivery: Delivery) -> None:
        self.changed = threading.Condition()
        self._outbox, self._delivery = outbox, delivery
        self._waiting = deque(outbox.pending())
        self._uncertain = max((one.end for one in self._waiting), default=0)
        self._refusals: dict[int, str] = {}

    @property
    def n_waiting(self) -> int:
        """How many records have not been seen to."""
        return len(self._waiting)

    @property
    def refusals(self) -> list[str]:
        """Why the store would not take some records."""
        return list(self._refusals.values())

    def put(self, record: Record) -> None:
        """Write a record down for delivery; does not wait for anything."""
        with self.changed:
            self._waiting.append(self._outbox.put(record))
            self.changed.notify_all()

    def deliver_next(self) -> None:
        """Deliver what goes into one request.

        Raises:
            Exception: whatever MLflow, the network or the database raises; to be tried
                again.
        """
        with self.changed:
            first = list(islice(self._waiting, METRICS_PER_BATCH))
        if first:
            self._outbox.sync()
            self._deliver(first[: len(batch_of(one.record for one in first))])

    def _deliver(self, batch: list[Pending]) -> None:
        last = batch[-1].end
        try:
            model_id = self._delivery.deliver(
                [one.record for one in batch], look=batch[0].end <= self._uncertain
            )
        except MlflowException as error:
            self._uncertain = max(last, self._uncertain)
            if error.error_code not in _REFUSALS:
                raise
            if len(batch) > 1:  # one of them is to blame
                for one in batch:
                    self._deliver([one])
                return
            self._refuse(last, error)
        except DamagedFileError as error:
            self._refuse(last, error)
        except Exception:
            self._uncertain = max(last, self._uncertain)
            raise
        else:
            self._outbox.delivered([one.end for one in batch], model_id)
        with self.changed:
            for _ in batch:
                self._waiting.popleft()
            self.changed.notify_all()

    def _refuse(self, end: int, error: Exception) -> None:
        """Remember why a record cannot be delivered, and go on."""
        self._refusals[end] = redacted(" ".join(str(error).split()))
        self._outbox.refuse(end)
