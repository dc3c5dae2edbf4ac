"""Hand records to the tracking store: each kind of record is one kind of request."""

import logging
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Dataset, InputTag, Metric, Param, RunTag
from mlflow.entities import DatasetInput as MlflowInput
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.checkpoints import store_checkpoint
from icl_mlflow.tracking.models.owner import owner_of
from icl_mlflow.tracking.models.registration import RegisteredModel, register
from icl_mlflow.tracking.outbox.destination import Destination
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
from icl_mlflow.tracking.outbox.successor import is_gone, make_anew
from icl_mlflow.tracking.outbox.verification import lacking
from icl_mlflow.tracking.runs.ownership import let_go
from icl_mlflow.tracking.store.connection import Store, answered_run
from icl_mlflow.tracking.store.failures import is_denied
from icl_mlflow.tracking.store.last_contact import heard_from
from icl_mlflow.tracking.store.run_files import check_run

#: What MLflow takes in one request.
METRICS_PER_BATCH = 1000
PAIRS_PER_BATCH = 100

_logger = logging.getLogger(__name__)


class StoreWriter:
    """Delivers the records of one run, in the order in which they are given.

    Attributes:
        registered: the model that was registered last.
    """

    def __init__(self, store: Store, destination: Destination, outbox: Outbox) -> None:
        self.registered: RegisteredModel | None = None
        self._store, self._destination, self._outbox = store, destination, outbox
        self._may_send = False
        self._foreign: set[str] = set()  # runs that this user may not change

    @property
    def run_id(self) -> str:
        """The id of the run that gets the records: another one if the first is gone."""
        return self._outbox.progress.run_id or self._destination.run_id

    def lacking(self) -> list[PendingRecord]:
        """The records that the store does not have, whatever it has acknowledged."""
        self._store.check_there()
        first_tags = self._destination.tags
        return lacking(
            self._store, self.run_id, self._outbox, first_tags, self._foreign
        )

    def let_go(self) -> None:
        """Remove the sign of life of a run that has ended: nobody has it any more."""
        let_go(self._store.client, self.run_id)

    def make_anew_if_gone(self) -> bool:
        """Make another run if the store has lost this one; whether it has."""
        if not is_gone(self._store, self.run_id):
            return False
        made = make_anew(self._store, self._destination, self.run_id)
        _logger.warning(
            "run %s is gone from %s: made anew as %s from what was written here",
            self.run_id,
            self._store.place,
            made,
        )
        self.registered = None
        self._outbox.begin_anew(made)
        self._may_send = False
        return True

    def deliver(self, records: Sequence[Record], *, look: bool) -> str | None:
        """Make one delivery; the id of the run's stored model, if it is known.

        Args:
            records: what `batch_of` put together.
            look: an earlier attempt may have succeeded without our knowing: look at
                what the store has first.

        Raises:
            Exception: whatever MLflow, the network or the database raises.
        """
        self._store.check_there()
        match records:
            case [Artifact() as artifact]:
                self._artifact(artifact)
            case [DatasetInput() as used]:
                self._dataset(used)
            case [ModelVersion() as model]:
                self._model(model)
            case [CheckpointModel() as checkpoint]:
                self._checkpoint(checkpoint)
            case [Status() as status]:
                self._status(status)
            case [(Tags(run_id=str()) | Metrics(run_id=str())) as other]:
                self._tell_other(other, look=look)
            case _:
                self._log(records, look=look)
        heard_from(self._store.tracking_uri)
        return self.registered.model_id if self.registered else None

    def owner_of(self, name: str) -> str:
        """Whose a registered model is; empty where that is not to be learned."""
        return owner_of(self._store.client, name)

    def _tell_other(self, record: Tags | Metrics, *, look: bool) -> None:
        """Tags or metrics of another run, unless it is gone or another user's."""
        run_id = record.run_id
        assert run_id is not None
        try:
            if isinstance(record, Tags):
                pairs = [RunTag(k, v) for k, v in record.values.items()]
                self._batch(run_id, (), (), pairs)
            else:
                metrics = [*self._points(record)]
                if look:
                    metrics = _missing(self._store, run_id, metrics)
                self._batch(run_id, metrics, (), ())
        except MlflowException as error:
            if is_denied(error):
                if run_id not in self._foreign:
                    _logger.warning(
                        "run %s is another user's, and does not get the %s",
                        run_id,
                        "tags" if isinstance(record, Tags) else "metrics",
                    )
                self._foreign.add(run_id)
                return
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            _logger.warning(
                "run %s is gone from %s, and with it what it was to be told",
                run_id,
                self._store.place,
            )

    def _log(self, records: Sequence[Record], *, look: bool) -> None:
        """Metrics, params and tags, in one request."""
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        metrics: list[Metric] = []
        for record in records:
            match record:
                case Params():
                    params |= record.values
                case Tags():
                    tags |= record.values
                case Metrics():
                    metrics += self._points(record)
        if look:
            metrics = _missing(self._store, self.run_id, metrics)
        self._batch(
            self.run_id,
            metrics,
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )

    def _points(self, record: Metrics) -> Iterable[Metric]:
        model_id = self._model_id() if record.of_model else None
        dataset, digest = record.dataset or (None, None)
        for key, value, time, step in record.points:
            yield Metric(
                key,
                value,
                time,
                step,
                model_id=model_id,
                dataset_name=dataset,
                dataset_digest=digest,
            )

    def _model_id(self) -> str | None:
        if self.registered is not None:
            return self.registered.model_id
        return self._outbox.progress.model_id

    def _batch(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        params: Sequence[Param],
        tags: Sequence[RunTag],
    ) -> None:
        if metrics or params or tags:
            self._store.client.log_batch(
                run_id, metrics, params, tags, synchronous=True
            )

    def _dataset(self, used: DatasetInput) -> None:
        dataset = Dataset(
            name=used.name,
            digest=used.digest,
            source_type="code",
            source=used.source,
            profile=used.profile,
        )
        entry = MlflowInput(dataset, [InputTag("mlflow.data.context", used.context)])
        self._store.client.log_inputs(self.run_id, datasets=[entry])

    def _artifact(self, artifact: Artifact) -> None:
        if not self._may_send:
            check_run(self._store.client, answered_run(self._store, self.run_id))
            self._may_send = True
        with self._named({artifact.path: artifact.sha256}) as folder:
            self._store.client.log_artifact(
                self.run_id,
                str(folder / artifact.path),
                posixpath.dirname(artifact.path) or None,
            )

    def _model(self, model: ModelVersion) -> None:
        with self._named(model.files) as folder:
            self.registered = register(
                self._store, self.run_id, folder, model, self._outbox.size
            )

    def _checkpoint(self, checkpoint: CheckpointModel) -> None:
        with self._named(checkpoint.files) as folder:
            store_checkpoint(
                self._store, self.run_id, folder, checkpoint, self._outbox.size
            )

    def _status(self, status: Status) -> None:
        client = self._store.client
        if status.status == "RUNNING":
            client.update_run(self.run_id, status=status.status)
        else:
            client.set_terminated(self.run_id, status.status, end_time=status.time)

    @contextmanager
    def _named(self, files: Mapping[str, str]) -> Iterator[Path]:
        """Kept files under their own names."""
        with temporary_folder() as folder:
            for path, sha256 in files.items():
                target = Path(folder, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._outbox.copy(sha256, target)
            yield Path(folder)


def batch_of(waiting: Iterable[Record]) -> list[Record]:
    """The first of these records, as many as go into one request.

    A param that is given twice does not: the store decides which of two values counts.
    """
    batch: list[Record] = []
    n_points, n_tags, params = 0, 0, set[str]()
    for record in waiting:
        match record:
            case Metrics(points=points, run_id=None):
                n_points += len(points)
                fits = n_points <= METRICS_PER_BATCH
            case Tags(values=values, run_id=None):
                n_tags += len(values)
                fits = n_tags <= PAIRS_PER_BATCH
            case Params(values=values):
                fits = params.isdisjoint(values)
                params |= values.keys()
                fits &= len(params) <= PAIRS_PER_BATCH
            case _:
                return batch or [record]
        if not fits:
            break
        batch.append(record)
    return batch


def _missing(store: Store, run_id: str, metrics: Sequence[Metric]) -> list[Metric]:
    """Those that the store does not have yet.

    Those of a model stay: it and the run get them one after the other, so either may
    lack them. What a database has already it does not take a second time anyway.
    """
    of_run = [metric for metric in metrics if metric.model_id is None]
    known = {
        (point.key, point.value, point.timestamp, point.step)
        for key in {metric.key for metric in of_run}
        for point in store.client.get_metric_history(run_id, key)
    }
    return [
        metric
        for metric in metrics
        if metric.model_id is not None
        or (metric.key, metric.value, metric.timestamp, metric.step) not in known
    ]
