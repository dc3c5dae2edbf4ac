"""What guessing reaches follows from how frequent the classes are."""

import math

import pytest

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tasks.chance import Chance, chance


def test_guessing_is_as_good_as_the_more_frequent_class() -> None:
    uneven = chance(with_parameters(TASKS["A"], {"prior": 0.2}))
    assert uneven.accuracy == 0.8
    assert uneven.loss == pytest.approx(0.500402, abs=1e-6)
    assert uneven == Chance.of(0.2)


def test_of_fair_labels_it_is_right_half_of_the_time() -> None:
    found = [chance(task) for task in TASKS.values()]
    assert {one.accuracy for one in found} == {0.5}
    assert found[0].loss == pytest.approx(math.log(2))
