"""Verify that a store has what was written for a run, before its journal is removed.

An answer to a request is a promise of that moment: a store may since have been restored
from an older copy, and something that is no tracking server may have answered.
"""

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.liveness import HEARTBEAT
from icl_mlflow.tracking.models.checkpoints import is_checkpoint_stored
from icl_mlflow.tracking.models.registration import is_registered
from icl_mlflow.tracking.outbox.outbox import Outbox, PendingRecord
from icl_mlflow.tracking.outbox.records import (
    Artifact,
    CheckpointModel,
    DatasetInput,
    Metrics,
    ModelVersion,
    Params,
    Record,
    Status,
    Tags,
)
from icl_mlflow.tracking.store.connection import Store, answered_run
from icl_mlflow.tracking.store.run_files import check_run

Row = tuple[int, int]


def lacking(
    store: Store,
    run_id: str,
    outbox: Outbox,
    first_tags: Mapping[str, str],
    foreign: Collection[str] = (),
) -> list[PendingRecord]:
    """The records that the store does not have, in order; refused ones left out.

    This asks for the run, for the history of each metric that has several rows, and for
    one listing a folder of artifacts.

    Args:
        store: where the run is.
        run_id: of the run.
        outbox: what was written.
        first_tags: of the run when it was opened.
        foreign: runs that this user may not change, and that were told nothing.
    """
    refused = outbox.progress.refused
    written = [
        one
        for one in outbox.written()
        if one.end not in refused and not _is_for(foreign, one.record)
    ]
    run = answered_run(store, run_id)
    check_run(store.client, run)
    there = _Contents(store, run, outbox, written, first_tags)
    ends = {one.end for one in written if not there.has(one)}
    if any(type(one.record) is ModelVersion and one.end in ends for one in written):
        # A model that is stored anew gets its metrics anew.
        ends |= {
            one.end
            for one in written
            if isinstance(one.record, Metrics) and one.record.of_model
        }
    return [one for one in written if one.end in ends]


def _is_for(run_ids: Collection[str], record: Record) -> bool:
    return isinstance(record, Tags | Metrics) and record.run_id in run_ids


class _Contents:
    """What a store has of one run, each part asked for once, when it is needed."""

    def __init__(
        self,
        store: Store,
        run: Run,
        outbox: Outbox,
        written: Sequence[PendingRecord],
        first_tags: Mapping[str, str],
    ) -> None:
        self._store, self._run, self._outbox = store, run, outbox
        self._rows = _written_rows(written)
        self._known_rows: dict[tuple[str, str], set[Row]] = {}
        self._tags = _Tags(written, first_tags)
        self._others: dict[str, Run | None] = {}
        self._listings: dict[str, dict[str, int | None]] = {}
        self._last_file, self._last_status = dict[str, int](), 0
        for one in written:
            if isinstance(one.record, Artifact):
                self._last_file[one.record.path] = one.end
            elif isinstance(one.record, Status):
                self._last_status = one.end

    def has(self, one: PendingRecord) -> bool:
        """Whether it has what a record says, or what came in its place later."""
        match one.record:
            case Metrics() as metrics:
                found = self._has_metrics(metrics)
            case Params(values=values):
                found = values.keys() <= self._run.data.params.keys()
            case Tags() as tags:
                there = self._tags_of(tags.run_id)
                found = there is None or self._tags.are_told(one.end, tags, there)
            case DatasetInput() as used:
                found = self._has_dataset(used)
            case Artifact() as artifact:
                was_replaced = self._last_file[artifact.path] != one.end
                found = was_replaced or self._has_file(artifact)
            case ModelVersion() as model:
                size_of = self._outbox.size
                found = is_registered(self._store, self._run, model, size_of)
            case CheckpointModel() as checkpoint:
                found = is_checkpoint_stored(
                    self._store, self._run, checkpoint, self._outbox.size
                )
            case Status(status=status):
                is_end = one.end == self._last_status and status != "RUNNING"
                found = not is_end or self._run.info.status == status
        return found

    def _has_metrics(self, metrics: Metrics) -> bool:
        run_id, points = metrics.run_id, metrics.points
        if run_id is None:
            return all(self._has_row(k, v, (step, time)) for k, v, time, step in points)
        other = self._other(run_id)
        return other is None or all(
            other.data.metrics.get(key) == value
            or (step, time) in self._history(run_id, key)
            for key, value, time, step in points
        )

    def _has_row(self, key: str, value: float, row: Row) -> bool:
        latest = self._run.data.metrics.get(key)
        if latest is None:
            return False
        if len(self._rows[key]) == 1 and latest == value:
            return True
        return row in self._history(self._run.info.run_id, key)

    def _history(self, run_id: str, key: str) -> set[Row]:
        if (run_id, key) not in self._known_rows:
            history = self._store.client.get_metric_history(run_id, key)
            self._known_rows[run_id, key] = {(p.step, p.timestamp) for p in history}
        return self._known_rows[run_id, key]

    def _tags_of(self, run_id: str | None) -> Mapping[str, str] | None:
        """Tags of the run, or of another one; None if that is gone."""
        run = self._run if run_id is None else self._other(run_id)
        tags: Mapping[str, str] | None = None if run is None else run.data.tags
        return tags

    def _other(self, run_id: str) -> Run | None:
        """Another run; None if it is gone, or deleted."""
        if run_id not in self._others:
            try:
                other = answered_run(self._store, run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                self._others[run_id] = None
            else:
                is_there = other.info.lifecycle_stage == "active"
                self._others[run_id] = other if is_there else None
        return self._others[run_id]

    def _has_dataset(self, used: DatasetInput) -> bool:
        inputs = self._run.inputs.dataset_inputs if self._run.inputs else []
        return (used.name, used.digest) in {
            (each.dataset.name, each.dataset.digest) for each in inputs
        }

    def _has_file(self, artifact: Artifact) -> bool:
        folder = posixpath.dirname(artifact.path)
        if folder not in self._listings:
            run_id = self._run.info.run_id
            entries = self._store.client.list_artifacts(run_id, folder or None)
            self._listings[folder] = {e.path: e.file_size for e in entries}
        found = self._listings[folder]
        if artifact.path not in found:
            return False
        sizes = {found[artifact.path], self._outbox.size(artifact.sha256)} - {None}
        return len(sizes) <= 1


class _Tags:
    """What tags were written: the last value of each counts, the others are stale.

    A value that was never written here is somebody else's, and stays.
    """

    def __init__(
        self, written: Iterable[PendingRecord], first_tags: Mapping[str, str]
    ) -> None:
        self._last: dict[tuple[str | None, str], int] = {}
        self._values: dict[tuple[str | None, str], list[str]] = {
            (None, key): [value] for key, value in first_tags.items()
        }
        for one in written:
            if isinstance(one.record, Tags):
                for key, value in one.record.values.items():
                    place = (one.record.run_id, key)
                    self._last[place] = one.end
                    self._values.setdefault(place, []).append(value)

    def are_told(self, end: int, tags: Tags, there: Mapping[str, str]) -> bool:
        """Whether a run, whose tags are ``there``, has these, or newer ones."""
        return not any(
            key != HEARTBEAT
            and self._last[tags.run_id, key] == end
            and self._is_stale((tags.run_id, key), there.get(key), value)
            for key, value in tags.values.items()
        )

    def _is_stale(
        self, place: tuple[str | None, str], there: str | None, last: str
    ) -> bool:
        return there is None or (there != last and there in self._values[place])


def _written_rows(written: Iterable[PendingRecord]) -> dict[str, set[Row]]:
    """The rows that were written of each metric of the run, by step and time."""
    rows: dict[str, set[Row]] = {}
    for one in written:
        if isinstance(one.record, Metrics) and one.record.run_id is None:
            for key, _, time, step in one.record.points:
                rows.setdefault(key, set()).add((step, time))
    return rows
