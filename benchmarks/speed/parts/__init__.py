"""The parts of the benchmark: each answers one question with tables."""

import importlib
from collections.abc import Callable, Mapping

from benchmarks.speed.plan import Plan
from benchmarks.table import Table

#: Name of a part, which is a module here, to the question that it answers.
PARTS: Mapping[str, str] = {
    "training": "How fast is a training step, where does its time go, what is left?",
    "neighbours": "Does a step keep its speed beside other busy programs?",
    "suite": "How many episodes a second train when all cores work on a suite?",
    "growth": "How does a step grow with context, batch, width and depth?",
    "evaluation": "How long does the evaluation of a validation set take?",
    "sampler": "How long does it take to draw a batch?",
    "tracking": "Which share of an epoch does tracking take, and what costs a model?",
    "analysis": "How long does an analysis of one model take?",
    "commands": "How long does a command take that trains nothing?",
}


def measure(part: str, plan: Plan) -> list[Table]:
    """The tables of one part."""
    module = importlib.import_module(f"benchmarks.speed.parts.{part}")
    found: Callable[[Plan], list[Table]] = module.measure
    return found(plan)
