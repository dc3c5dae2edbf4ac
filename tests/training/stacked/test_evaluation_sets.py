"""Members of a stack that are judged on the same episodes have them once."""

import torch

from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.evaluation_sets import EvaluationSets


def test_episodes_are_shared_by_all_that_see_the_same() -> None:
    sets = EvaluationSets()
    first, other_seed, shuffled = (
        TrainSettings.preset("smoke", **change)
        for change in ({}, {"seed": 1}, {"variant": "shuffled_labels"})
    )
    found = [sets.of(s, problem(s), "test") for s in (first, other_seed, shuffled)]
    assert found[0] is found[1]
    assert found[2] is not found[0]
    alone = evaluation_episodes(shuffled, problem(shuffled), "test")
    assert torch.equal(found[2].seen.context_y_BN, alone.seen.context_y_BN)
    assert sets.of(first, problem(first), "validation") is not found[0]
