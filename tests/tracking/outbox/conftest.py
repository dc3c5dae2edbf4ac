"""A run in a real store, and the outbox in which its records wait."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.models.packaging import packaged, registered_name
from icl_mlflow.tracking.outbox.delivery import Delivery
from icl_mlflow.tracking.outbox.destination import Destination, write_destination
from icl_mlflow.tracking.outbox.outbox import Outbox, outbox_folder
from icl_mlflow.tracking.outbox.records import Artifact, Metrics, ModelVersion
from icl_mlflow.tracking.outbox.store_writes import StoreWriter
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

NOW = 1_700_000_000_000  # ms


def loss(step: int, value: float = 0.5) -> Metrics:
    """The record of one value of ``loss``."""
    return Metrics(points=(("loss", value, NOW + step, step),))


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A run that has just been opened, and what is needed to write to it.

    Attributes:
        store: a database in the working folder.
        destination: the run.
        outbox: empty, in the folder where `sync` looks for it.
        empty_database: a store without any run.
    """

    store: Store
    destination: Destination
    outbox: Outbox
    empty_database: Path

    @property
    def run_id(self) -> str:
        return self.destination.run_id

    @property
    def store_writer(self) -> StoreWriter:
        return StoreWriter(self.store, self.destination, self.outbox)

    @property
    def delivery(self) -> Delivery:
        """A new delivery, as a process that has just started makes one."""
        return Delivery(self.outbox, self.store_writer)

    def kept(self, path: str, content: str) -> Artifact:
        """The record of a file, of which the outbox has its copy."""
        file = Path("kept")
        file.write_text(content)
        return Artifact(path=path, sha256=self.outbox.keep(file))

    def kept_model(self, model: Transformer, settings: TrainSettings) -> ModelVersion:
        """The record of a model, of whose files the outbox has its copies."""
        root, facts = packaged(Path("package"), self.run_id, model, settings)
        return ModelVersion(
            name=registered_name(settings),
            sha256=facts["sha256"],
            files={
                file.relative_to(root).as_posix(): self.outbox.keep(file)
                for file in root.rglob("*")
                if file.is_file()
            },
            params={"dim": str(settings.dim)},
            facts=facts,
        )

    def seen(self) -> Run:
        """The run as the store has it."""
        return self.store.client.get_run(self.run_id)

    def losses(self) -> list[tuple[int, float]]:
        """Step and value of ``loss``, as the store has them, in order of arrival."""
        found = self.store.client.get_metric_history(self.run_id, "loss")
        return [(point.step, point.value) for point in found]

    @contextmanager
    def without_store(self) -> Iterator[None]:
        """While the database is not in its place."""
        Path("mlflow.db").rename("away.db")
        try:
            yield
        finally:
            Path("away.db").rename("mlflow.db")

    def copy_store(self) -> None:
        """Copy what is in the store now."""
        shutil.rmtree("copy", ignore_errors=True)
        Path("mlruns").mkdir(exist_ok=True)
        shutil.copytree("mlruns", "copy/mlruns")
        shutil.copy("mlflow.db", "copy")

    def restore_store(self) -> None:
        """Put the copy in the place of the store, as from a backup."""
        self.store.reopen()
        shutil.rmtree("mlruns")
        shutil.copytree("copy/mlruns", "mlruns")
        shutil.copy("copy/mlflow.db", "mlflow.db")

    def lose_run(self) -> None:
        """Restore the store from a copy that is older than the run."""
        self.store.reopen()
        shutil.copy(self.empty_database, "mlflow.db")


@pytest.fixture
def opened(store: Store, empty_database: Path) -> Iterator[OpenRun]:
    """A run with the tag ``kind`` and the param ``lr``."""
    client = store.client
    run_id = client.create_run(
        store.experiment_id, tags={"kind": "train"}, run_name="A-baseline-seed0"
    ).info.run_id
    client.log_param(run_id, "lr", "3e-4")
    destination = Destination(
        run_id=run_id,
        name="A-baseline-seed0",
        experiment_id=store.experiment_id,
        place=store.place,
        experiment="tests",
        tags=client.get_run(run_id).data.tags,
        params={"lr": "3e-4"},
    )
    folder = outbox_folder(run_id)
    write_destination(folder, destination)
    outbox = Outbox(folder)
    yield OpenRun(
        store=store,
        destination=destination,
        outbox=outbox,
        empty_database=empty_database,
    )
    outbox.close()
