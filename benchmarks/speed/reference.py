"""Whom we are compared with: the notebook where it can be, else a textbook loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.speed import notebook, textbook
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Work

TASKS = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class Plain:
    """The plain way to do what we do.

    Attributes:
        name: ``notebook`` or ``textbook``.
        steps: training, phase by phase.
        evaluation: of a validation set.
        samplers: by name; each draws a batch of each of `TASKS`, each a phase.
    """

    name: str
    steps: Work
    evaluation: Work
    samplers: Mapping[str, Work]


def plain(plan: Plan) -> Plain:
    """The notebook at the paper's size, if it lies beside the repository."""
    if plan.size == "paper" and notebook.NOTEBOOK.exists():
        return Plain(
            name="notebook",
            steps=notebook.steps,
            evaluation=notebook.evaluation,
            samplers={
                "notebook's loader": partial(notebook.loader, TASKS),
                "notebook's sampler alone": partial(notebook.sampler, TASKS),
            },
        )
    settings = plan.settings()
    return Plain(
        name="textbook",
        steps=partial(textbook.steps, settings),
        evaluation=partial(textbook.evaluation, settings),
        samplers={"textbook's loader": partial(textbook.sampler, settings, TASKS)},
    )
