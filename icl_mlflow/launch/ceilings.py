"""The information ceiling of each variant, on the very episodes it is tested on."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from icl_mlflow.analysis.ablation import CeilingNumbers
from icl_mlflow.evaluation import expected_loss
from icl_mlflow.training.build import problem
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants.ceiling import ceiling


def ceilings(
    settings: TrainSettings, variants: Sequence[str]
) -> dict[str, CeilingNumbers]:
    """The ceiling of every variant, for models trained with these settings."""
    return {name: _ceiling(replace(settings, variant=name)) for name in variants}


def _ceiling(settings: TrainSettings) -> CeilingNumbers:
    chosen = problem(settings)
    truth = evaluation_episodes(settings, chosen, "test")
    best = ceiling(chosen.variant, chosen.task, truth.episodes)
    p_B = best.logit_B.sigmoid()
    return CeilingNumbers(
        accuracy=float(torch.maximum(p_B, 1 - p_B).mean()),
        loss=float(expected_loss(best.logit_B).mean()),
        is_exact=best.is_exact,
    )
