"""Which share of an epoch does tracking take, and what does storing a model cost?"""

import statistics
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed import contestants, run_log
from benchmarks.speed.loops import ours
from benchmarks.speed.plan import Plan
from benchmarks.speed.server import mlflow_server
from benchmarks.speed.timing import Contestant, Measured, contest
from benchmarks.table import Table, milliseconds, percent, spread

_STORES = ("local sqlite", "HTTP server")
_GOAL = "< 1 %"


def measure(plan: Plan) -> list[Table]:
    """What is logged in an epoch, and a model, to either store."""
    found = _contest(plan)
    settings = plan.settings()
    epochs = {
        precision: settings.steps_per_epoch * statistics.median(found[precision].cpu)
        for precision in contestants.precisions()
    }
    rows = [
        (
            store,
            milliseconds(each.wall),
            spread(each.wall),
            milliseconds(each.cpu),
            *(
                percent(statistics.median(each.wall) / seconds)
                for seconds in epochs.values()
            ),
            plan.goal(_GOAL),
        )
        for store in _STORES
        for each in [found[store].phase("metrics")]
    ]
    episodes = settings.steps_per_epoch * settings.batch_size
    spoken = " and ".join(f"{each:.1f} s in {name}" for name, each in epochs.items())
    return [
        Table(
            title="Tracking an epoch",
            columns=(
                "store",
                "wall ms",
                "(range)",
                "CPU ms",
                *(f"share of an epoch, {name}" for name in epochs),
                "goal",
            ),
            rows=rows,
            note=(
                f"All metrics of an epoch, against its training: {episodes} episodes, "
                f"{spoken} of CPU time on one thread, its evaluation left out."
            ),
        ),
        Table(
            title="Storing and registering a model",
            columns=("store", "wall ms", "(range)", "CPU ms"),
            rows=[_model(store, found[store].phase("model")) for store in _STORES],
        ),
    ]


def _contest(plan: Plan) -> dict[str, Measured]:
    with (
        TemporaryDirectory() as local,
        TemporaryDirectory() as remote,
        mlflow_server(Path(remote)) as server,
    ):
        places = (f"sqlite:///{local}/mlflow.db", server)
        taking_part = [
            Contestant(
                name=store,
                work=partial(run_log.run_log, plan.settings()),
                pieces=2,
                environment={"MLFLOW_TRACKING_URI": uri},
            )
            for store, uri in zip(_STORES, places, strict=True)
        ]
        taking_part += [
            Contestant(
                name=precision,
                work=partial(ours.steps, plan.settings(precision=precision)),
            )
            for precision in contestants.precisions()
        ]
        return contest(taking_part, plan.rounds)


def _model(store: str, each: Measured) -> tuple[str, ...]:
    return store, milliseconds(each.wall), spread(each.wall), milliseconds(each.cpu)
