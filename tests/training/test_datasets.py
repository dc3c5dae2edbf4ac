"""A data set is known by how its episodes are drawn, and by that alone."""

from dataclasses import replace

from icl_mlflow.training.datasets import evaluation_dataset, training_dataset
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import TRAINING

SETTINGS = TrainSettings(**TRAINING)


def test_the_three_data_sets_of_a_training_have_names_and_uses() -> None:
    found = [
        training_dataset(SETTINGS),
        *(evaluation_dataset(SETTINGS, stream) for stream in ("validation", "test")),
    ]
    assert [(one.name, one.context) for one in found] == [
        ("episodes-A", "training"),
        ("episodes-A-validation", "validation"),
        ("episodes-A-test", "test"),
    ]
    assert len({one.digest for one in found}) == 3
    assert found[2].profile["episodes"] == SETTINGS.test_episodes


def test_what_changes_the_test_episodes_changes_their_digest_and_nothing_else() -> None:
    digest = evaluation_dataset(SETTINGS, "test").digest
    for same in (
        {"seed": 9},
        {"lr": 1e-4},
        {"variant": "no_position"},  # shown the very same episodes
        {"val_episodes": 300},
    ):
        assert evaluation_dataset(replace(SETTINGS, **same), "test").digest == digest
    for other in (
        {"eval_seed": 9},
        {"test_episodes": 400},
        {"n_context": 5},
        {"task": "B"},
        {"variant": "shuffled_labels"},
    ):
        assert evaluation_dataset(replace(SETTINGS, **other), "test").digest != digest
