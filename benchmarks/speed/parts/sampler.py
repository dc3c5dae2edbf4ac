"""How long does it take to draw a batch of episodes?"""

from functools import partial

from benchmarks.speed.loops import ours
from benchmarks.speed.loops.reference import TASKS, plain
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import NONE, Table, milliseconds, per_second, spread, times

#: Each piece is ten batches of each task. The fast get more of them, so that a round
#: of theirs is not over before caches and processor are warm again.
_PIECES, _FAST_PIECES = 10, 200

_OURS = {"ours": ours.sampler, "random numbers alone": ours.normals}


def measure(plan: Plan) -> list[Table]:
    """A row for each task and sampler."""
    reference = plain(plan)
    settings = plan.settings()
    contestants = [
        *(
            Contestant(name=name, work=work, pieces=_PIECES)
            for name, work in reference.samplers.items()
        ),
        *(
            Contestant(
                name=name,
                work=partial(work, settings, TASKS),
                pieces=_FAST_PIECES,
            )
            for name, work in _OURS.items()
        ),
    ]
    found = contest(contestants, plan.rounds)
    drawn = found["ours"]
    rows = [
        (
            f"task {task}, {name}",
            milliseconds(each.phase(task).cpu),
            spread(each.phase(task).cpu),
            per_second(settings.batch_size, each.phase(task).cpu),
            times(each.phase(task).cpu, drawn.phase(task).cpu),
            NONE if name in _OURS else plan.goal("20x"),
        )
        for task in TASKS
        for name, each in found.items()
    ]
    return [
        Table(
            title=f"Drawing a batch of {settings.batch_size} episodes",
            columns=(
                "sampler",
                "CPU ms",
                "(range)",
                "episodes/s",
                "ours is faster by",
                "goal",
            ),
            rows=rows,
            note="One thread; CPU time. A loader's batch is tensors, as ours is. No "
            "sampler saves the random numbers of the points, drawn alone below.",
        )
    ]
