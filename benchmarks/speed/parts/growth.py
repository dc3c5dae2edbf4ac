"""How does our step grow with context points, batch size, width and depth?

One of them is changed at a time: a quarter or a half of the preset's value to sixteen
times of it.
"""

from functools import partial
from typing import Any

from benchmarks.speed import contestants
from benchmarks.speed.loops import ours
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import Table, milliseconds, per_second, spread, times
from icl_mlflow.training.settings import TrainSettings

#: How the time of a step is shown.
_TIME = (milliseconds, spread)

#: Tokens that a shape's steps should come to in a round, so that none is too short.
_TOKENS = 8_192


def measure(plan: Plan) -> list[Table]:
    """A row a shape."""
    taking_part = [
        Contestant(
            name=precision,
            work=partial(ours.growth, _shapes(plan, precision)),
            pieces=1,
        )
        for precision in contestants.precisions()
    ]
    found = contest(taking_part, plan.rounds)
    rows = []
    for name, settings, _ in _shapes(plan, "fp32"):
        taken = {each: found[each].phase(name).cpu for each in found}
        rows.append(
            (
                name,
                *(cell(each) for each in taken.values() for cell in _TIME),
                *(per_second(settings.batch_size, each) for each in taken.values()),
                *(
                    times(taken["fp32"], taken[each])
                    for each in taken
                    if each != "fp32"
                ),
            )
        )
    return [
        Table(
            title="Growth of our step",
            columns=(
                "shape",
                *(text for each in found for text in (f"{each} CPU ms", "(range)")),
                *(f"{each} episodes/s" for each in found),
                *(f"{each} against fp32" for each in found if each != "fp32"),
            ),
            rows=rows,
            note="What is not named is as in the first row.",
        )
    ]


def _shapes(plan: Plan, precision: str) -> list[tuple[str, TrainSettings, int]]:
    """Name, settings and steps a round of every shape."""
    base = plan.settings()
    grown = {
        "n_context": (4 * base.n_context, 16 * base.n_context),
        "batch_size": (base.batch_size // 4, 4 * base.batch_size),
        "d_model": (base.d_model // 2, 2 * base.d_model),
        "n_layers": (base.n_layers // 2, 2 * base.n_layers),
    }
    first = " ".join(f"{name}={getattr(base, name)}" for name in grown)
    changes: dict[str, dict[str, Any]] = {first: {}}
    for name, values in grown.items():
        changes |= {f"{name}={value}": {name: value} for value in values}
    shapes = []
    for title, change in changes.items():
        settings = plan.settings(precision=precision, **change)
        tokens = settings.batch_size * (settings.n_context + 1)
        shapes.append((title, settings, max(1, round(_TOKENS / tokens))))
    return shapes
