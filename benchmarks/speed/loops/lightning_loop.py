"""The textbook model in Lightning, its metrics logged by the MLFlowLogger."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger
from torch import Tensor

from benchmarks.speed.loops.textbook import Batch, Textbook, loader, recipe
from benchmarks.speed.timing import Meter
from icl_mlflow.training.settings import TrainSettings


class _Module(LightningModule):
    """The textbook loop in the form that Lightning wants."""

    def __init__(self, settings: TrainSettings) -> None:
        super().__init__()
        self.model = Textbook(settings)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of a batch; every 50th is logged, as Lightning has it."""
        loss = self.model.loss(batch)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW, and its schedule at every step."""
        optimizer, schedule = recipe(self.model)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class _Rounds(Callback):
    """Tells the meter of every step."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def on_train_start(self, *_: object) -> None:
        """All is built."""
        self._meter.ready()

    def on_train_batch_end(self, *_: object) -> None:
        """A step is done."""
        self._meter.done()


def steps(settings: TrainSettings, meter: Meter) -> None:
    """Training on task A."""
    with TemporaryDirectory() as folder:
        store = Path(folder, "mlflow.db")
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=settings.epochs,
            gradient_clip_val=1.0,
            logger=MLFlowLogger(
                tracking_uri=f"sqlite:///{store}",
                artifact_location=Path(folder, "artifacts").as_uri(),
            ),
            callbacks=[_Rounds(meter)],
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        episodes = loader("A", settings.train_episodes, settings)
        trainer.fit(_Module(settings), episodes)
