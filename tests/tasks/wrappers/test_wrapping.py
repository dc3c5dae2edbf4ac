"""The parameters of wrappers: options of every task, and decisive where they act."""

import pytest

from icl_mlflow.tasks.wrappers.wrapping import UNWRAPPED, Wrapping
from icl_mlflow.training.datasets import evaluation_dataset, training_dataset
from icl_mlflow.training.problem import problem, resolved
from icl_mlflow.training.settings import TrainSettings


def test_without_wrappers_nothing_is_as_if_they_were_not_there() -> None:
    plain = TrainSettings()
    spelled = TrainSettings(**UNWRAPPED)  # type: ignore[arg-type]
    assert spelled == plain
    assert spelled.identity == plain.identity == TrainSettings(pool_seed=3).identity
    assert not UNWRAPPED.keys() & resolved(plain).keys()
    assert Wrapping().given == {}


@pytest.mark.parametrize(
    "given",
    [
        {"prior": 0.2},
        {"prior_concentration": 4.0},
        {"pool": 8},
        {"pool": 8, "pool_seed": 1},
    ],
)
def test_a_wrapper_is_another_problem(given: dict[str, float]) -> None:
    plain = TrainSettings.preset("smoke")
    wrapped = TrainSettings.preset("smoke", **given)
    assert wrapped.identity != plain.identity
    assert given.items() <= resolved(wrapped).items()
    assert problem(wrapped).task != problem(plain).task
    assert training_dataset(wrapped).digest != training_dataset(plain).digest
    for stream in ("validation", "test"):
        one, other = (evaluation_dataset(s, stream) for s in (plain, wrapped))
        assert one.digest != other.digest
        assert given.items() <= other.profile.items()


def test_every_shift_of_a_wrapped_task_can_be_watched() -> None:
    watched = TrainSettings.preset("smoke", pool=4, also_evaluate="out_of_pool")
    (there,) = problem(watched).elsewhere.values()
    assert there.task == problem(TrainSettings.preset("smoke")).task
