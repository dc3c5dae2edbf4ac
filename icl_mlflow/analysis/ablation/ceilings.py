"""The information ceilings of each variant, on the very episodes it is tested on."""

from collections.abc import Sequence
from dataclasses import replace

from icl_mlflow.estimators.ceilings import Ceilings, readings
from icl_mlflow.estimators.ceilings import ceilings as ceilings_on
from icl_mlflow.tasks.base import Task
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import Problem, problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants.base import Intervention


def ceilings(settings: TrainSettings, variants: Sequence[str]) -> dict[str, Ceilings]:
    """The ceilings of every variant, for models trained with these settings.

    Variants that are shown the same episodes share them, and those that read labels
    alike share their ceilings.
    """
    problems = {name: problem(replace(settings, variant=name)) for name in variants}
    one_of_each = {_episodes_key(chosen): chosen for chosen in problems.values()}
    seen = {
        shown: evaluation_episodes(settings, chosen, "test").seen
        for shown, chosen in one_of_each.items()
    }
    wanted = {
        name: (readings(chosen.variant), _episodes_key(chosen))
        for name, chosen in problems.items()
    }
    found = {
        (both, shown): ceilings_on(shown[0], seen[shown], *both)
        for both, shown in dict.fromkeys(wanted.values())
    }
    return {name: found[key] for name, key in wanted.items()}


def _episodes_key(chosen: Problem) -> tuple[Task, int, Intervention]:
    """All that decides the test episodes as they are seen, but for the settings."""
    return chosen.task, chosen.n_context, chosen.variant.on_eval
