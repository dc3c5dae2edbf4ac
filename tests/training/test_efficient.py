"""The preset `efficient` reaches published quality with a 25th of the episodes."""

import pytest

from icl_mlflow.training.fit import fit
from icl_mlflow.training.settings import TrainSettings

#: The best checkpoints published with arXiv 2603.10573: nats, after 1 000 000 episodes.
PUBLISHED = {"A": 0.0128, "B": 0.0072}


@pytest.mark.slow
@pytest.mark.parametrize("task", PUBLISHED)
def test_it_beats_the_best_published_model(task: str) -> None:
    settings = TrainSettings.preset("efficient", task=task, device="cpu")
    assert settings.total_steps * settings.batch_size <= 40_000
    assert fit(settings).test["test/excess_risk"] < PUBLISHED[task]
