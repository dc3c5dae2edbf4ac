"""What tracking does while a model trains, as a piece of work."""

from benchmarks.speed.timing import Meter
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.training.fit import fit
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings


def run_log(settings: TrainSettings, meter: Meter) -> None:
    """An epoch's metrics are logged, and a model is; in the store of the environment.

    The metrics are those of a real epoch, of a training that takes a moment.
    """
    brief = TrainSettings.preset("smoke", device="cpu", threads=1)
    metrics = fit(brief).history[-1].metrics
    model = initial_model(settings)
    with open_run(
        connect("benchmark"),
        name="benchmark",
        kind="train",
        params={},
        tags={},
        description="",
    ) as log:
        step = 0

        def piece() -> None:
            nonlocal step
            log.metrics(metrics, step=step)
            meter.mark("metrics")
            log.model(model, settings, metrics)
            meter.mark("model")
            step += 1

        meter.repeat(piece)
