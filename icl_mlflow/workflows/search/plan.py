"""The plan of a search: settings, space and number of trials, checked."""

import importlib.util
from dataclasses import dataclass

from icl_mlflow.identity import digest
from icl_mlflow.suite.request import check_ready
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.space import Space, shown_space, space_of

_NEEDED = "search needs Optuna: pip install 'icl-mlflow[search]'"


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is looked for, checked; nothing has been created.

    Attributes:
        settings: of every trial, but for what the space holds.
        space: what is looked for.
        n_trials: in all, those of earlier calls among them.
    """

    settings: TrainSettings
    space: Space
    n_trials: int

    @property
    def study(self) -> str:
        """The name of the study: equal for equal searches, whatever their length."""
        meaning = {"of": self.settings.identity, "space": shown_space(self.space)}
        return f"{self.settings.task}-{self.settings.variant}-{digest(meaning)}"


def plan_search(settings: TrainSettings, space: str, n_trials: int) -> SearchPlan:
    """Check what is to be looked for, before anything exists.

    Raises:
        ValueError: Optuna is not installed, settings that contradict each other, a
            space that cannot be, or nothing to be learned.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ValueError(_NEEDED)
    check_ready(settings)
    found = space_of(space, settings)
    if not settings.epochs and "epochs" not in found:
        raise ValueError("a search needs at least one epoch; give epochs")
    return SearchPlan(settings=settings, space=found, n_trials=n_trials)
