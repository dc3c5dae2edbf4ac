"""A variant that a task cannot have is refused before anything is built."""

import pytest

from icl_mlflow.tasks import TASKS
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks, check_applicable


@pytest.mark.parametrize("variant", ["no_nuisance", "no_nuisance+no_position"])
def test_task_b_has_no_nuisance_to_remove(variant: str) -> None:
    check_applicable(variant, "A")
    with pytest.raises(
        ValueError, match=r"changes tau, which task B does not have; it is for: A, E$"
    ):
        check_applicable(variant, "B")
    with pytest.raises(ValueError, match="task B does not have"):
        problem(TrainSettings(task="B", variant=variant))


def test_every_other_variant_is_for_every_task() -> None:
    for variant in VARIANTS:
        expected = ("A", "E") if variant == "no_nuisance" else tuple(TASKS)
        assert applicable_tasks(variant) == expected


def test_a_parameter_that_the_variant_sets_is_not_set_twice() -> None:
    with pytest.raises(
        ValueError, match=r"variant no_nuisance sets tau to 0\.0; leave tau out"
    ):
        problem(TrainSettings(variant="no_nuisance", tau=9.0))
