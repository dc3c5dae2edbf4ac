"""A curriculum starts easier and ends at the task itself."""

import pytest

from icl_mlflow.evaluation import expected_loss
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import parameters, with_parameters
from icl_mlflow.tasks.curricula import canonical, eased, factors
from tests.tasks.contract import CASES, every_task

CURRICULA = [(name, each) for name in TASKS for each in TASKS[name].curricula]


@pytest.mark.parametrize(("name", "each"), CURRICULA)
def test_what_comes_first_is_easier(name: str, each: str) -> None:
    """The exact predictor's log-loss is lower than on the task itself."""
    task = TASKS[name]
    losses = []
    for progress in (0.0, 1.0):
        now = eased(task, factors(task, each), progress)
        logit_B = now.bayes_logit(now.sample(4_000, 32, stream="test"))
        losses.append(float(expected_loss(logit_B).mean()))
    assert losses[0] + 0.005 < losses[1]


@every_task
def test_it_ends_at_the_task_itself(name: str) -> None:
    task = CASES[name]
    start = factors(task, "all")
    assert eased(task, start, 1.0) is task
    assert eased(task, start, 2.5) is task
    assert eased(task, {}, 0.0) is task
    almost = parameters(eased(task, start, 1 - 1e-9))
    assert almost == pytest.approx(parameters(task))


def test_nothing_is_eased_beyond_what_the_parameter_may_be() -> None:
    strong = with_parameters(TASKS["C"], {"rho_max": 0.95})
    start = factors(strong, "correlation")
    assert eased(strong, start, 0.0).rho_max == 0.999
    assert 0.95 < eased(strong, start, 0.9).rho_max < 0.999


def test_parameters_move_in_a_straight_line() -> None:
    task = TASKS["A"]
    start = factors(task, "nuisance+separation")
    assert start == {"tau": 0.0, "separation": 3.0}
    found = [eased(task, start, p) for p in (0.0, 0.25, 0.5)]
    assert [t.tau for t in found] == [0.0, 0.75, 1.5]
    assert [t.separation for t in found] == [3.0, 2.5, 2.0]


@pytest.mark.parametrize(
    ("task", "given", "one_spelling"),
    [
        ("A", "all", "nuisance+separation"),
        ("A", "separation+nuisance", "nuisance+separation"),
        ("A", "none", "none"),
        ("B", "all", "none"),
    ],
)
def test_one_choice_has_one_spelling(task: str, given: str, one_spelling: str) -> None:
    assert canonical(TASKS[task], given) == one_spelling


@pytest.mark.parametrize(
    ("task", "wrong", "choices"),
    [
        ("A", "nuisanc", "none, all, nuisance, separation"),
        ("A", "nuisance+nuisance", "none, all, nuisance, separation"),
        ("A", "", "none, all, nuisance, separation"),
        ("B", "nuisance", "none, all"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    task: str, wrong: str, choices: str
) -> None:
    with pytest.raises(ValueError, match=f"no curriculum '.*'; .*: {choices}") as error:
        canonical(TASKS[task], wrong)
    assert "\n" not in str(error.value)
