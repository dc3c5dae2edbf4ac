"""The log of a run: the one object through which everything is logged."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from icl_mlflow.models import InContextModel
from icl_mlflow.settings import values_of
from icl_mlflow.tables import csv, spaced
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.card import about_models, version_card
from icl_mlflow.tracking.models.checkpoints import checkpoint_name
from icl_mlflow.tracking.models.logged_models import CHECKPOINT
from icl_mlflow.tracking.models.packaging import packaged, registered_name
from icl_mlflow.tracking.models.registration import RegisteredModel
from icl_mlflow.tracking.outbox.points import (
    batches,
    finite_points,
    metrics_of_rows,
)
from icl_mlflow.tracking.outbox.records import (
    Artifact,
    CheckpointModel,
    DatasetInput,
    Metrics,
    ModelVersion,
    Params,
    Point,
    Tags,
)
from icl_mlflow.tracking.outbox.store_writes import METRICS_PER_BATCH, PAIRS_PER_BATCH
from icl_mlflow.tracking.outbox.writer import RunWriter
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.mlflow_internals import checked_batch
from icl_mlflow.tracking.store.ui import fitting
from icl_mlflow.tracking.store.uri import redacted
from icl_mlflow.training.datasets import Dataset
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.version import VERSION

NON_FINITE_TAG = "non_finite_metrics"

# What MLflow takes in one value.
_LONGEST_TAG = 8000


class RunLog:
    """Logs to one open run: metrics, params, tags, figures, tables and the model.

    Nothing waits for the store: all is written down on this machine first, and what
    MLflow would refuse is refused at once.

    Attributes:
        store: where the run is.
    """

    def __init__(
        self,
        store: Store,
        writer: RunWriter,
        known: Collection[Point] = (),
        kept_tags: Collection[str] = (),
    ) -> None:
        """Open it for writing.

        Args:
            store: where the run is.
            writer: takes what is written.
            known: metrics that are there already.
            kept_tags: tags of the run that its user has set, and that stay.
        """
        self.store = store
        self._writer, self._outbox = writer, writer.outbox
        self._points = {(point[0], point[3]): point for point in known}
        self._known, self._kept_tags = frozenset(self._points), frozenset(kept_tags)
        self._noted: list[str] = []

    @property
    def run_id(self) -> str:
        """The run's id: another one if its store was restored without the first."""
        return self._writer.run_id

    def metrics(
        self,
        values: Mapping[str, float],
        step: int | None = None,
        *,
        of_model: bool = False,
        dataset: Dataset | None = None,
    ) -> None:
        """Log metrics of one step; also of the model that the run has kept, if wanted.

        With the ``dataset`` that they were measured on, the store can say which model
        is best on it.

        MLflow cannot hold an infinity (it returns as 1.8e308), so a value that is not
        finite is named in the tag ``non_finite_metrics`` instead. A plus sign, as in
        the names of combined variants, becomes a colon: MLflow takes none in a metric.
        A run that was opened again keeps what it had at the same step.
        """
        self.metric_series([(step or 0, values)], of_model=of_model, dataset=dataset)

    def metric_series(
        self,
        rows: Sequence[tuple[int, Mapping[str, float]]],
        *,
        of_model: bool = False,
        dataset: Dataset | None = None,
    ) -> None:
        """Log many steps at once, as (step, values)."""
        flat = metrics_of_rows(rows)
        points = [p for p in finite_points(flat) if (p[0], p[3]) not in self._known]
        for some in batches(points, METRICS_PER_BATCH):
            self._outbox.put(
                Metrics(
                    points=some,
                    of_model=of_model,
                    dataset=dataset.key if dataset else None,
                )
            )
            self._points.update({(point[0], point[3]): point for point in some})
        self._note([metric for metric in flat if not math.isfinite(metric.value)])

    def metrics_of(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        """Log metrics of another run; what is not finite is left out."""
        points = finite_points(metrics_of_rows([(step, values)]))
        self._outbox.put(Metrics(points=tuple(points), run_id=run_id))

    def tags(self, values: Mapping[str, object], run_id: str | None = None) -> None:
        """Set tags; a tag set before gets the new value.

        Args:
            values: by name.
            run_id: of another run, which gets them instead.
        """
        kept = self._kept_tags if run_id is None else ()
        pairs = [
            RunTag(key, redacted(str(value)))
            for key, value in values.items()
            if key not in kept
        ]
        _, _, pairs = checked_batch(tags=pairs)
        for some in batches(pairs, PAIRS_PER_BATCH):
            self._outbox.put(
                Tags(values={tag.key: tag.value for tag in some}, run_id=run_id)
            )

    def description(self, markdown: str) -> None:
        """Say what the run is, in place of what was said here when it was opened.

        Of what is too long for MLflow, the last lines are left out.
        """
        self.tags({MLFLOW_RUN_NOTE: fitting(spaced(markdown))})

    def params(self, values: Mapping[str, object]) -> None:
        """Log params; None stands for one that is not given and is left out."""
        given = [Param(k, redacted(str(v))) for k, v in values.items() if v is not None]
        _, pairs, _ = checked_batch(params=given)
        for some in batches(pairs, PAIRS_PER_BATCH):
            self._outbox.put(Params(values={param.key: param.value for param in some}))

    def dataset(self, used: Dataset) -> None:
        """Record which episodes the run used; the UI's runs table shows their name."""
        self._outbox.put(
            DatasetInput(
                name=used.name,
                digest=used.digest,
                source=json.dumps({"drawn by": f"icl-mlflow {VERSION}"}),
                profile=json.dumps(used.profile),
                context=used.context,
            )
        )

    def figure(self, name: str, figure: Figure) -> None:
        """Keep a figure as ``figures/NAME.png``."""
        with temporary_folder() as folder:
            file = Path(folder, f"{name}.png")
            figure.savefig(file, dpi=150)
            self.artifact(file, "figures")

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table as ``tables/NAME.csv``, without its index."""
        self.text(f"tables/{name}.csv", csv(table))

    def json(self, path: str, content: object) -> None:
        """Keep ``content`` as indented JSON at ``path`` among the artifacts."""
        self.text(path, json.dumps(content, indent=2) + "\n")

    def text(self, path: str, text: str) -> None:
        """Keep ``text`` at ``path`` among the artifacts."""
        with temporary_folder() as folder:
            file = Path(folder, Path(path).name)
            file.write_text(redacted(text), encoding="utf-8")
            within = Path(path).parent.as_posix()
            self.artifact(file, None if within == "." else within)

    def artifact(self, local_path: Path, folder: str | None = None) -> None:
        """Keep a file, as it is now, under its own name in ``folder``."""
        path = PurePosixPath(folder or "", local_path.name)
        sha256 = self._outbox.keep(local_path)
        self._outbox.put(Artifact(path=str(path), sha256=sha256))

    def model(
        self,
        model: InContextModel,
        settings: TrainSettings,
        metrics: Mapping[str, float],
        *,
        name: str | None = None,
        facts: Mapping[str, str] | None = None,
        bayes_accuracy: float | None = None,
    ) -> RegisteredModel | None:
        """Store and register a trained model; see `tracking.models.registration`.

        This waits for the store, some seconds at most. None stands for a registration
        that waits with everything else for a store that cannot be reached.

        Args:
            model: the weights to keep.
            settings: that it was trained with.
            metrics: what was measured of it, by tracked name; for its card.
            name: of the registered model; that of its task and variant if not given.
            facts: further tags of the stored model.
            bayes_accuracy: of exact Bayes on the same test episodes; for its card.
        """
        files, known, params = self._package(model, settings)
        card = version_card(settings, model, metrics, bayes_accuracy)
        about = about_models(settings, metrics, bayes_accuracy)
        self._outbox.put(
            ModelVersion(
                name=name or registered_name(settings),
                sha256=known["sha256"],
                files=files,
                params=params,
                facts={**known, **(facts or {})},
                results={name: str(value) for name, value in metrics.items()},
                card=redacted(card),
                about=redacted(about),
            )
        )
        self._writer.wait()
        return self._writer.registered

    def checkpoint(
        self, model: InContextModel, settings: TrainSettings, epoch: int
    ) -> None:
        """Store the weights after an epoch as a model, with the metrics of that step.

        The metrics are those that were logged before, at the same times: the run gets
        none of them twice, and a run that goes on stores no epoch twice.

        Args:
            model: the weights.
            settings: that it is trained with.
            epoch: from 0.
        """
        files, facts, params = self._package(model, settings)
        self._outbox.put(
            CheckpointModel(
                name=checkpoint_name(settings.run_name, epoch),
                step=epoch,
                sha256=facts["sha256"],
                files=files,
                params=params,
                facts={**facts, CHECKPOINT: str(epoch)},
                points=tuple(p for p in self._points.values() if p[3] == epoch),
            )
        )

    def _package(
        self, model: InContextModel, settings: TrainSettings
    ) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Keep the files of a model; these, what is known of it, and its params."""
        with temporary_folder() as folder:
            root, facts = packaged(Path(folder), self.run_id, model, settings)
            files = {
                file.relative_to(root).as_posix(): self._outbox.keep(file)
                for file in sorted(root.rglob("*"))
                if file.is_file()
            }
        params = {k: str(v) for k, v in values_of(settings).items() if v is not None}
        return files, facts, params

    def sync(self) -> None:
        """Have all that was logged on the disk, which otherwise follows in a moment."""
        self._outbox.sync()

    def wait(self) -> bool:
        """Wait some seconds until the store has all that was logged; whether it has."""
        return self._writer.wait()

    def ui_link(self) -> str:
        """The run's page in the UI."""
        return self.store.run_link(self.run_id)

    def _note(self, non_finite: Sequence[Metric]) -> None:
        if non_finite:
            self._noted += [f"{m.key}={m.value} at step {m.step}" for m in non_finite]
            self.tags({NON_FINITE_TAG: "; ".join(self._noted)[:_LONGEST_TAG]})
