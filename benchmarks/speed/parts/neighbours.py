"""Does a step keep its speed beside other busy programs?

The default (a thread a core, which heed the neighbours) against one thread, and against
a thread a core as torch has them. Time on the clock, which is what neighbours cost.
"""

import statistics
from functools import partial

from benchmarks.speed.busy import neighbours
from benchmarks.speed.loops import ours
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import Table, milliseconds, short, spread
from icl_mlflow.suite.engines.process_pool import usable_cores

#: Processes that keep a core busy.
_NEIGHBOURS = (0, 1, 4, 16)
_GOAL = "1.2x"

_DEFAULT, _ONE, _PLAIN = "default", "1 thread", "a thread a core, as torch has them"


def measure(plan: Plan) -> list[Table]:
    """A row for every number of neighbours and every way to compute."""
    settings = plan.settings()
    cores = usable_cores()
    works = {
        _DEFAULT: partial(ours.steps_in_threads, settings, 0),
        _ONE: partial(ours.steps_in_threads, settings, 1),
        _PLAIN: partial(ours.steps_as_torch_comes, settings, cores),
    }
    rows = []
    for count in _NEIGHBOURS:
        contestants = [
            Contestant(name=name, work=work, threads=None, pieces=_steps(count))
            for name, work in works.items()
        ]
        with neighbours(count):
            found = contest(contestants, plan.rounds)
        better = min(statistics.median(found[name].wall) for name in (_ONE, _PLAIN))
        rows += [
            (
                f"{count} neighbours, {name}",
                milliseconds(found[name].wall),
                spread(found[name].wall),
                f"{short(statistics.median(found[name].wall) / better)}x",
                plan.goal(_GOAL) if name == _DEFAULT else "-",
            )
            for name in works
        ]
    return [
        Table(
            title="A step beside busy neighbours",
            columns=("who", "wall ms", "(range)", "against the better", "goal"),
            rows=rows,
            note=f"{cores} cores; a neighbour is a process that keeps one busy. The "
            "better is that of one thread and of a thread a core as torch has them.",
        )
    ]


def _steps(count: int) -> int:
    """Of a round: long enough to notice that others have stopped, or are there."""
    return max(3, 60 // (1 + 8 * count))
