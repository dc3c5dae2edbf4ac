"""The outbox: the folder in which a run's records wait until they are delivered.

``journal/`` of the run's state holds ``records`` (see `journal`), ``delivered`` (a
journal as well, whose last line counts), ``files/`` by SHA-256, and ``about.json``:
which run of which store they are for, without any password.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from icl_mlflow.files import naming, sync_folder
from icl_mlflow.tracking.local.claims import JOURNAL, RunInUseError, state_folder
from icl_mlflow.tracking.local.signals import signals_put_off
from icl_mlflow.tracking.outbox.destination import (
    DELIVERED,
    DeliveryProgress,
    last_progress,
)
from icl_mlflow.tracking.outbox.journal import Damage, Journal, read
from icl_mlflow.tracking.outbox.records import (
    Metrics,
    Point,
    Record,
    from_json,
    to_json,
)

_RECORDS, _FILES = "records", "files"

#: Metrics in one record of those that the store has already.
_TOGETHER = 1_000


class DamagedFileError(ValueError):
    """A file that was kept is gone, or is not what was kept."""


@dataclass(frozen=True)
class PendingRecord:
    """A record that waits, and where it ends in the journal."""

    record: Record
    end: int


class Outbox:
    """Records of one run, for the one process that has claimed it.

    Attributes:
        folder: in which all is.
        progress: what has been delivered.
        waiting: records that are still to be delivered, in order.
        changed: held by whoever changes ``waiting``, and notified of it.
        lost_to: says which process has taken the run for dead, if one has; nothing can
            be put in any more.
        damaged: records that can no longer be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / _FILES).mkdir(parents=True, exist_ok=True)
        self._records = Journal(folder / _RECORDS)
        self._delivered = Journal(folder / DELIVERED)
        self.progress = last_progress(folder / DELIVERED)
        self.damaged: list[Damage] = []
        self.changed = threading.Condition()
        self.lost_to: RunInUseError | None = None
        self.waiting = deque(self.pending())

    def put(self, record: Record) -> None:
        """Write a record down, and have it wait for delivery.

        Raises:
            OSError: the disk is full, say.
            RunInUseError: the run is another process's by now.
        """
        if self.lost_to is not None:
            raise self.lost_to
        with signals_put_off(), self.changed:
            end = self._records.append(to_json(record)).end
            self.waiting.append(PendingRecord(record, end))
            self.changed.notify_all()

    def begin_with(self, points: Sequence[Point]) -> None:
        """Write down what the store has already, unless something is written here.

        What was written here before began with it too.
        """
        if any(True for _ in self.written()):
            return
        for start in range(0, len(points), _TOGETHER):
            some = tuple(points[start : start + _TOGETHER])
            end = self._records.append(to_json(Metrics(points=some))).end
            self.delivered([end])

    def keep(self, file: Path) -> str:
        """Take a copy of a file; its SHA-256, under which it is kept."""
        draft = self.folder / _FILES / f"{os.urandom(8).hex()}.draft"
        digest = hashlib.sha256()
        try:
            with naming(draft), file.open("rb") as source, draft.open("xb") as target:
                while block := source.read(1 << 20):
                    digest.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            draft.replace(self.kept(digest.hexdigest()))
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(self.folder / _FILES)
        return digest.hexdigest()

    def kept(self, sha256: str) -> Path:
        """The path of a file that was kept."""
        return self.folder / _FILES / sha256

    def size(self, sha256: str) -> int | None:
        """Bytes of a file that was kept; None if it is gone."""
        try:
            return self.kept(sha256).lstat().st_size
        except OSError:
            return None

    def copy(self, sha256: str, target: Path) -> None:
        """Copy a file that was kept, and check that it still is what it was.

        Raises:
            DamagedFileError: it is not; links are not followed.
        """
        digest = hashlib.sha256()
        try:
            descriptor = os.open(self.kept(sha256), os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as source, target.open("xb") as copy:
                while block := source.read(1 << 20):
                    digest.update(block)
                    copy.write(block)
        except FileNotFoundError:
            raise DamagedFileError(f"the file for {target.name} is gone") from None
        if digest.hexdigest() != sha256:
            raise DamagedFileError(f"the file for {target.name} is damaged")

    def pending(self) -> Iterator[PendingRecord]:
        """Every record that the store does not have, in order; refused ones again."""
        self.damaged = []
        for found in self._found():
            if isinstance(found, Damage):
                self.damaged.append(found)
            elif (
                found.end > self.progress.through or found.end in self.progress.refused
            ):
                yield found

    def points(self) -> list[Point]:
        """The run's metrics that were ever written down here, in order."""
        return [
            point
            for one in self.written()
            if isinstance(one.record, Metrics) and one.record.run_id is None
            for point in one.record.points
        ]

    def written(self) -> Iterator[PendingRecord]:
        """Every record that was ever written down here and can be read."""
        for found in self._found():
            if not isinstance(found, Damage):
                yield found

    def _found(self) -> Iterator[PendingRecord | Damage]:
        """Every line; one that says nothing that a run can be told is damage too."""
        for line, found in enumerate(read(self.folder / _RECORDS), 1):
            if isinstance(found, Damage):
                yield found
                continue
            try:
                yield PendingRecord(from_json(found.content), found.end)
            except ValueError:
                yield Damage(found.start, found.end, line)

    def delivered(self, ends: Collection[int], model_id: str | None = None) -> None:
        """Remember that the store has the records that end there."""
        refused = tuple(end for end in self.progress.refused if end not in ends)
        self._remember(
            replace(
                self.progress,
                through=max(*ends, self.progress.through),
                refused=refused,
                model_id=model_id or self.progress.model_id,
            )
        )

    def refuse(self, end: int) -> None:
        """Remember that the store will not take the record that ends there."""
        self._remember(
            replace(
                self.progress,
                through=max(end, self.progress.through),
                refused=tuple({*self.progress.refused, end}),
            )
        )

    def begin_anew(self, run_id: str) -> None:
        """Have everything wait for another run, because the one before is gone."""
        self._remember(DeliveryProgress(run_id=run_id))
        with self.changed:
            self.waiting = deque(self.pending())
            self.changed.notify_all()

    def sync(self) -> None:
        """Have every record on the disk."""
        self._records.sync()

    def close(self) -> None:
        """Close the outbox; everything is on the disk then."""
        self._records.close()
        self._delivered.close()

    def discard(self) -> None:
        """Close, and remove everything: it has been delivered."""
        self.close()
        shutil.rmtree(self.folder)

    def _remember(self, progress: DeliveryProgress) -> None:
        self.progress = progress
        # Without room for it the store is asked again for what it has had since.
        with contextlib.suppress(OSError):
            self._delivered.append(asdict(self.progress))
            self._delivered.sync()


def outbox_folder(run_id: str) -> Path:
    """The folder of a run's outbox."""
    return state_folder(run_id) / JOURNAL
