"""What a run is told: the one object through which everything is logged."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.registration import Registered, register
from icl_mlflow.tracking.signals import signals_put_off
from icl_mlflow.tracking.store import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.version import VERSION

NON_FINITE_TAG = "non_finite_metrics"

# What MLflow takes in one request, and in one value.
_METRICS_PER_BATCH = 1000
_PAIRS_PER_BATCH = 100
_LONGEST_TAG = 8000
_LONGEST_DIGEST = 36


class RunLog:
    """Everything that is written to one open run goes through here.

    Attributes:
        store: where the run is.
        run_id: its id.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self._noted: list[str] = []

    def metrics(
        self,
        values: Mapping[str, float],
        step: int | None = None,
        model_id: str | None = None,
    ) -> None:
        """Log metrics of one step, in one request; of a stored model too, by its id.

        MLflow cannot hold an infinity (it returns as 1.8e308), so a value that is not
        finite is named in the tag ``non_finite_metrics`` instead. A plus sign, as in
        the names of combined variants, becomes a colon: MLflow takes none in a metric.
        """
        self.metric_series([(step or 0, values)], model_id)

    def metric_series(
        self,
        rows: Sequence[tuple[int, Mapping[str, float]]],
        model_id: str | None = None,
    ) -> None:
        """Log many steps at once, as (step, values), in as few requests as can be."""
        now = int(time.time() * 1000)
        flat = [
            Metric(key.replace("+", ":"), float(value), now, step, model_id=model_id)
            for step, values in rows
            for key, value in values.items()
        ]
        finite = [metric for metric in flat if math.isfinite(metric.value)]
        for start in range(0, len(finite), _METRICS_PER_BATCH):
            self._batch(metrics=finite[start : start + _METRICS_PER_BATCH])
        self._note([metric for metric in flat if not math.isfinite(metric.value)])

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags; a tag set before gets the new value."""
        pairs = [RunTag(key, str(value)) for key, value in values.items()]
        for start in range(0, len(pairs), _PAIRS_PER_BATCH):
            self._batch(tags=pairs[start : start + _PAIRS_PER_BATCH])

    def description(self, markdown: str) -> None:
        """Say what the run is, in place of what was said when it was opened."""
        self.tags({MLFLOW_RUN_NOTE: markdown})

    def params(self, values: Mapping[str, object]) -> None:
        """Log params; None stands for one that is not given and is left out."""
        pairs = [Param(k, str(v)) for k, v in values.items() if v is not None]
        for start in range(0, len(pairs), _PAIRS_PER_BATCH):
            self._batch(params=pairs[start : start + _PAIRS_PER_BATCH])

    def dataset(
        self, name: str, digest: str, profile: Mapping[str, object], context: str
    ) -> None:
        """Record which episodes the run used.

        Args:
            name: such as ``episodes-A``; the UI's runs table shows it.
            digest: identifies how they are drawn; the first 36 characters are kept.
            profile: how they are drawn, for readers.
            context: what for: ``training``, ``evaluation``, ...
        """
        dataset = Dataset(
            name=name,
            digest=digest[:_LONGEST_DIGEST],
            source_type="code",
            source=json.dumps({"drawn by": f"icl-mlflow {VERSION}"}),
            profile=json.dumps(profile),
        )
        entry = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        with signals_put_off():
            self.store.client.log_inputs(self.run_id, datasets=[entry])

    def figure(self, name: str, figure: Figure) -> None:
        """Keep a figure as ``figures/NAME.png``."""
        with TemporaryDirectory() as folder:
            file = Path(folder, f"{name}.png")
            figure.savefig(file, dpi=150)
            self.artifact(file, "figures")

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table as ``tables/NAME.csv``, without its index."""
        self.text(f"tables/{name}.csv", table.to_csv(index=False))

    def json(self, path: str, content: object) -> None:
        """Keep ``content`` as indented JSON at ``path`` among the artifacts."""
        self.text(path, json.dumps(content, indent=2) + "\n")

    def text(self, path: str, text: str) -> None:
        """Keep ``text`` at ``path`` among the artifacts."""
        with TemporaryDirectory() as folder:
            file = Path(folder, Path(path).name)
            file.write_text(text, encoding="utf-8")
            within = Path(path).parent.as_posix()
            self.artifact(file, None if within == "." else within)

    def artifact(self, local_path: Path, folder: str | None = None) -> None:
        """Keep a file under its own name in ``folder`` of the artifacts."""
        with signals_put_off():
            self.store.client.log_artifact(self.run_id, str(local_path), folder)

    def model(
        self, model: Transformer, settings: TrainSettings, metrics: Mapping[str, float]
    ) -> Registered:
        """Store and register a trained model: `icl_mlflow.tracking.registration`."""
        with signals_put_off():
            return register(self.store, self.run_id, model, settings, metrics)

    def ui_link(self) -> str:
        """The run's page in the UI."""
        return self.store.run_link(self.run_id)

    def _note(self, non_finite: Sequence[Metric]) -> None:
        if non_finite:
            self._noted += [f"{m.key}={m.value} at step {m.step}" for m in non_finite]
            self.tags({NON_FINITE_TAG: "; ".join(self._noted)[:_LONGEST_TAG]})

    def _batch(
        self,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        with signals_put_off():
            self.store.client.log_batch(self.run_id, metrics, params, tags)
