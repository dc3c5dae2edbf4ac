"""The loop that ours is compared with: the notebook's if given, or a textbook's."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.speed.loops import notebook, textbook
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
    """The notebook at the paper's size, if somebody names it, or a textbook's loop."""
    if plan.size == "paper" and notebook.place() is not None:
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
