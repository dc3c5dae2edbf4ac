"""What can be trained here? Asked before any run exists, and before MLflow is imported.

So a dry run and a refusal cost neither a run nor the seconds of that import.
"""

from collections.abc import Sequence
from dataclasses import replace

from icl_mlflow.suite import grid, parse_variants, with_baseline
from icl_mlflow.training.build import problem
from icl_mlflow.training.device import pick_device
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks


def check_ready(settings: TrainSettings) -> None:
    """Refuse, before any run exists, what could not be trained here.

    Raises:
        ValueError: settings that contradict each other, or a device that is not here.
    """
    problem(settings)
    pick_device(settings.device)


def choose_variants(text: str, task: str) -> tuple[str, ...]:
    """The variants of a list, or all listed ones that the task can have.

    Raises:
        ValueError: an unknown variant.
    """
    if text == "all":
        return tuple(v for v in VARIANTS.working() if task in applicable_tasks(v))
    return with_baseline(parse_variants(text))


def check_members(
    settings: TrainSettings, variants: Sequence[str], seeds: Sequence[int]
) -> tuple[TrainSettings, ...]:
    """All members, each checked.

    Raises:
        ValueError: a variant that the task cannot have, or contradicting settings.
    """
    members = tuple(grid(replace(settings, threads=1), variants, seeds))
    for member in members[:: len(seeds)]:
        check_ready(member)
    return members
