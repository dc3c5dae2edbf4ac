"""A named shift changes the parameters that it names, and nothing else."""

import pytest

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import parameters
from icl_mlflow.tasks.shifts import canonical, shifted


@pytest.mark.parametrize("task", TASKS)
def test_every_shift_of_a_task_can_be_chosen(task: str) -> None:
    known = TASKS[task]
    everything = shifted(known, "all")
    assert set(everything) == set(known.shifts)
    for name, changes in known.shifts.items():
        (alone,) = shifted(known, name).values()
        assert alone == everything[name]
        assert parameters(alone) == {**parameters(known), **changes}
    assert shifted(known, "none") == {}


def test_a_choice_has_one_spelling() -> None:
    both = "no_nuisance+out_of_distribution"
    assert canonical(TASKS["A"], "out_of_distribution+no_nuisance") == both
    assert canonical(TASKS["A"], "all") == both


@pytest.mark.parametrize("wrong", ["ood", "", "no_nuisance+no_nuisance"])
def test_a_wrong_name_is_answered_with_the_right_ones(wrong: str) -> None:
    choices = "none, all, out_of_distribution, no_nuisance"
    with pytest.raises(ValueError, match=f"no shift '.*'; .*: {choices}") as error:
        canonical(TASKS["A"], wrong)
    assert "\n" not in str(error.value)
