"""The information ceiling of each variant, on the very episodes it is tested on."""

from collections.abc import Sequence
from dataclasses import replace

from icl_mlflow.estimators.ceilings import Ceiling, of_variant
from icl_mlflow.training.build import problem
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.settings import TrainSettings


def ceilings(settings: TrainSettings, variants: Sequence[str]) -> dict[str, Ceiling]:
    """The ceiling of every variant, for models trained with these settings."""
    return {name: _ceiling(replace(settings, variant=name)) for name in variants}


def _ceiling(settings: TrainSettings) -> Ceiling:
    chosen = problem(settings)
    truth = evaluation_episodes(settings, chosen, "test")
    return of_variant(chosen.variant)(chosen.task, truth.seen)
