"""How many episodes a second train when all cores of the machine work on a suite?

The plain loop uses all cores for one model, as torch does by default; we train as many
models at once as there are cores, each in a process with one thread.
"""

from functools import partial

from benchmarks.speed import contestants
from benchmarks.speed.loops import ours
from benchmarks.speed.loops.reference import plain
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import NONE, Table, milliseconds, per_second, spread, times
from icl_mlflow.suite.engines.process_pool import usable_cores

_GOALS = {"ours, bf16": "4.0x"}


def measure(plan: Plan) -> list[Table]:
    """Throughput of the whole machine."""
    reference = plain(plan)
    size = plan.settings().batch_size
    taking_part = [
        Contestant(name=reference.name, work=reference.steps, threads=None),
        *(
            Contestant(
                name=name,
                work=partial(ours.steps, plan.settings(precision=precision)),
                processes=usable_cores(),
            )
            for name, precision in contestants.ours().items()
        ),
    ]
    found = contest(taking_part, plan.rounds)
    slowest = found[reference.name]
    rows = [
        (
            each.name,
            f"{each.processes} x {found[each.name].threads}",
            milliseconds(found[each.name].wall),
            spread(found[each.name].wall),
            per_second(size, found[each.name].wall),
            times(slowest.wall, found[each.name].wall),
            times(slowest.cpu, found[each.name].cpu),
            plan.goal(_GOALS.get(each.name, NONE)),
        )
        for each in taking_part
    ]
    return [
        Table(
            title="A suite on all cores",
            columns=(
                "loop",
                "processes x threads",
                "wall ms a step",
                "(range)",
                "episodes/s",
                "speed-up, wall",
                "CPU",
                "goal",
            ),
            rows=rows,
            note="Steps of all processes together; on a busy machine wall time is not "
            "meaningful.",
        )
    ]
