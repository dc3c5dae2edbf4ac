"""Episodes for a file are those that trainings are tested on."""

import torch

from icl_mlflow.scoring.drawn import drawn
from icl_mlflow.scoring.settings import EpisodesSettings
from icl_mlflow.training.datasets import evaluation_dataset
from icl_mlflow.training.settings import TrainSettings


def test_the_test_set_of_a_training_can_be_written() -> None:
    training = TrainSettings.preset("smoke")
    truth, note = drawn(
        EpisodesSettings(
            out="x.npz",
            dim=training.dim,
            n_context=training.n_context,
            n=training.test_episodes,
        )
    )
    assert note["digest"] == evaluation_dataset(training, "test").digest
    assert note["tau"] == 3
    assert torch.isfinite(truth.bayes_B).all()
