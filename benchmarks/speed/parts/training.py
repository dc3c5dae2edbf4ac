"""How fast is a training step, where does its time go, and what is left to gain?

One thread each, processor time. A step is everything between two updates: drawing the
episodes, forward, backward, clipping, optimizer, schedule, counting answers.
"""

import importlib
import statistics
from functools import partial

import torch

from benchmarks.speed import contestants, flops, products
from benchmarks.speed.loops import ours
from benchmarks.speed.loops.reference import plain
from benchmarks.speed.phases import PHASES
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, Measured, contest
from benchmarks.table import (
    NONE,
    Table,
    milliseconds,
    per_second,
    percent,
    short,
    spread,
    times,
)
from icl_mlflow.training.problem import problem

_GOALS = {"ours, fp32": "2.3x", "ours, bf16": "3.7x"}
_PEAKS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def measure(plan: Plan) -> list[Table]:
    """Steps compared, their phases, and their distance from the arithmetic."""
    reference = plain(plan)
    steps = [
        Contestant(name=reference.name, work=reference.steps),
        *_lightning(plan),
        *(
            Contestant(
                name=name, work=partial(ours.steps, plan.settings(precision=precision))
            )
            for name, precision in contestants.ours().items()
        ),
    ]
    peaks = [
        Contestant(name=name, work=partial(products.square, dtype))
        for name, dtype in _PEAKS.items()
        if name in contestants.precisions()
    ]
    found = contest([*steps, *peaks], plan.rounds)
    loops = {each.name: found[each.name] for each in steps}
    return [
        _compared(plan, loops),
        _phases(loops),
        _arithmetic(plan, reference.name, found),
    ]


def _lightning(plan: Plan) -> list[Contestant]:
    """The textbook loop in Lightning, where that is installed."""
    if not contestants.has_lightning():
        return []
    loop = importlib.import_module("benchmarks.lightning_loop")
    return [Contestant(name="Lightning", work=partial(loop.steps, plan.settings()))]


def _compared(plan: Plan, loops: dict[str, Measured]) -> Table:
    reference, *_ = loops.values()
    size = plan.settings().batch_size
    rows = [
        (
            name,
            milliseconds(each.cpu),
            spread(each.cpu),
            milliseconds(each.wall),
            per_second(size, each.cpu),
            times(reference.cpu, each.cpu),
            times(reference.wall, each.wall),
            plan.goal(_GOALS.get(name, NONE)),
        )
        for name, each in loops.items()
    ]
    return Table(
        title="A training step",
        columns=(
            "loop",
            "CPU ms",
            "(range)",
            "wall ms",
            "episodes/s",
            "speed-up, CPU",
            "wall",
            "goal",
        ),
        rows=rows,
        note=f"{size} episodes a step, one thread; episodes a second of CPU time.",
    )


def _phases(loops: dict[str, Measured]) -> Table:
    rows = [
        (name, *(milliseconds(each.phase(phase).cpu) for phase in PHASES))
        for name, each in loops.items()
        if each.phases
    ]
    return Table(
        title="A training step by phase",
        columns=("loop", *(f"{phase} ms" for phase in PHASES)),
        rows=rows,
        note="CPU time; the optimiser's phase is clipping, AdamW, schedule, counting.",
    )


def _arithmetic(plan: Plan, reference: str, found: dict[str, Measured]) -> Table:
    settings = plan.settings()
    shape = (problem(settings).architecture, settings.n_context, settings.batch_size)
    full, pruned = flops.full(*shape).step, flops.pruned(*shape).step
    needed = {reference: (full, "fp32")}
    needed |= {
        name: (pruned, precision) for name, precision in contestants.ours().items()
    }
    rows = []
    for name, (count, precision) in needed.items():
        peak = products.FLOPS / statistics.median(found[precision].cpu)
        step = statistics.median(found[name].cpu)
        rows.append(
            (
                name,
                short(count / 1e9),
                short(peak / 1e9),
                short(1e3 * count / peak),
                short(1e3 * step),
                percent(count / peak / step),
            )
        )
    return Table(
        title="A training step against its arithmetic",
        columns=(
            "loop",
            "Gflop a step",
            "peak Gflop/s",
            "lower bound ms",
            "measured ms",
            "share of peak",
        ),
        rows=rows,
        note=(
            "Matrix products counted by `benchmarks/speed/flops.py`; the peak is that "
            f"of a product of two {products.SIDE} x {products.SIDE} matrices of the "
            "same precision on one thread."
        ),
    )
