"""Deliver what waits in an outbox, in order, each record once.

What is delivered is remembered on disk after the fact; so of what was under way when a
process died or a request failed, nobody knows. Of that, the store is asked first. At
the end it is asked what it has of all, and gets what it lacks: see `verification`.
"""

from itertools import islice

from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.models.owner import NotOurModelError
from icl_mlflow.tracking.outbox.outbox import DamagedFileError, Outbox, PendingRecord
from icl_mlflow.tracking.outbox.records import ModelVersion
from icl_mlflow.tracking.outbox.store_writes import (
    METRICS_PER_BATCH,
    StoreWriter,
    batch_of,
)
from icl_mlflow.tracking.store.uri import redacted

#: How often a store gets what it has acknowledged and does not have.
_REPEATS = 2

#: What a store says of a record that it will never take.
_REFUSALS = {"INVALID_PARAMETER_VALUE"}

#: What it does with records that it acknowledges and does not have.
UNKEPT = "acknowledges what it does not keep"

#: What it says of what this user may not change.
_FORBIDDEN = "PERMISSION_DENIED"

#: What it says of a run, or a model, that is not there.
_GONE = "RESOURCE_DOES_NOT_EXIST"


class Delivery:
    """Delivers for one run; one thread delivers, others may put records in its outbox.

    Attributes:
        n_delivered: how many records the store has taken.
        n_unkept: how many it has acknowledged again and again and does not have.
    """

    def __init__(self, outbox: Outbox, store_writer: StoreWriter) -> None:
        self._outbox, self._store_writer = outbox, store_writer
        self._uncertain = self._last_end()
        self._refusals: dict[int, str] = {}
        self._concluding = self._verified = False
        self._repeats = 0
        self.n_delivered = self.n_unkept = 0

    @property
    def n_waiting(self) -> int:
        """How many records are neither delivered nor refused yet."""
        return len(self._outbox.waiting)

    @property
    def is_busy(self) -> bool:
        """Whether there is something left to do for `deliver_next`."""
        return bool(self.n_waiting) or (self._concluding and not self._verified)

    @property
    def refusals(self) -> list[str]:
        """Why the store would not take some records."""
        return list(self._refusals.values())

    @property
    def n_left(self) -> int:
        """How many records the store does not have, as far as is known."""
        return self.n_waiting + len(self._refusals) + self.n_unkept

    def conclude(self) -> None:
        """No further record comes: what was delivered is to be verified at the end."""
        with self._outbox.changed:
            self._concluding, self._verified = True, False
            self._outbox.changed.notify_all()

    def deliver_next(self) -> None:
        """Deliver what goes into one request; when nothing waits any more, verify.

        Raises:
            Exception: whatever MLflow, the network or the database raises; to be tried
                again.
        """
        with self._outbox.changed:
            first = list(islice(self._outbox.waiting, METRICS_PER_BATCH))
        try:
            if first:
                self._outbox.sync()
                self._deliver(first[: len(batch_of(one.record for one in first))])
            elif self.is_busy:
                self._verify()
        except MlflowException as error:
            if error.error_code != _GONE or not self._store_writer.make_anew_if_gone():
                raise
            self.begin_anew()

    def begin_anew(self) -> None:
        """Deliver everything again: another run has taken the place of this one."""
        with self._outbox.changed:
            self._refusals.clear()
            self._uncertain = self._last_end()
            self._verified = False
            self._outbox.changed.notify_all()

    def _last_end(self) -> int:
        return max((one.end for one in self._outbox.waiting), default=0)

    def _deliver(self, batch: list[PendingRecord]) -> None:
        last = batch[-1].end
        try:
            model_id = self._store_writer.deliver(
                [one.record for one in batch], look=batch[0].end <= self._uncertain
            )
        except MlflowException as error:
            self._uncertain = max(last, self._uncertain)
            if name := _forbidden_model(batch, error):
                owner = self._store_writer.owner_of(name)
                self._refuse(last, NotOurModelError(name, owner))
            elif error.error_code not in _REFUSALS:
                raise
            elif len(batch) > 1:  # one of them is to blame
                for one in batch:
                    self._deliver([one])
                return
            else:
                self._refuse(last, error)
        except DamagedFileError as error:
            self._refuse(last, error)
        except Exception:
            self._uncertain = max(last, self._uncertain)
            raise
        else:
            self._outbox.delivered([one.end for one in batch], model_id)
            self.n_delivered += len(batch)
        with self._outbox.changed:
            for _ in batch:
                self._outbox.waiting.popleft()
            self._outbox.changed.notify_all()

    def _verify(self) -> None:
        """Have what the store lacks wait again, unless that has helped nothing."""
        lacking = self._store_writer.lacking()
        if not lacking:
            self._store_writer.let_go()
        with self._outbox.changed:
            if lacking and self._repeats < _REPEATS:
                self._repeats += 1
                self._uncertain = max(lacking[-1].end, self._uncertain)
                self._outbox.waiting.extend(lacking)
            else:
                self.n_unkept, self._verified = len(lacking), True
            self._outbox.changed.notify_all()

    def _refuse(self, end: int, error: Exception) -> None:
        """Remember why a record cannot be delivered, and go on."""
        self._refusals[end] = redacted(" ".join(str(error).split()))
        self._outbox.refuse(end)


def _forbidden_model(batch: list[PendingRecord], error: MlflowException) -> str | None:
    """The model that this user may add no version to, if that is what failed.

    It waits for a permission, and nothing else of the run waits for it.
    """
    (first, *rest) = batch
    if rest or error.error_code != _FORBIDDEN:
        return None
    return first.record.name if isinstance(first.record, ModelVersion) else None
