"""The checkpoints of a stack stay for as long as a run of it may go on from them."""

import json
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import (
    begin_checkpoints,
    end_checkpoints,
    state_folder,
)
from icl_mlflow.tracking.local.stack_state import (
    forget_stacks,
    name_stack,
    new_stack,
    stack_folder,
    stack_of,
    trained_alone,
)


@pytest.fixture
def runs(new_folder: Path) -> tuple[str, str]:
    """Two runs with a folder for checkpoints."""
    del new_folder
    for run_id in ("one", "two"):
        state_folder(run_id).mkdir(parents=True)
        begin_checkpoints(run_id)
    return "one", "two"


def kept_stack() -> str:
    stack_id = new_stack()
    stack_folder(stack_id).mkdir(parents=True)
    (stack_folder(stack_id) / "step-7").touch()
    return stack_id


def test_a_run_names_its_stack_and_the_last_one_counts(runs: tuple[str, str]) -> None:
    one, two = runs
    first, second = kept_stack(), kept_stack()
    assert stack_of(one) is None
    name_stack(one, first)
    name_stack(one, second)
    assert (stack_of(one), stack_of(two)) == (second, None)


def test_a_run_goes_on_from_where_it_was_until_its_new_stack_has_a_checkpoint(
    runs: tuple[str, str],
) -> None:
    before, now = kept_stack(), new_stack()
    name_stack(runs[0], before)
    name_stack(runs[0], now)
    assert stack_of(runs[0]) == before
    stack_folder(now).mkdir()
    (stack_folder(now) / "step-8").touch()
    assert stack_of(runs[0]) == now


def test_checkpoints_go_with_the_last_run_that_names_them(
    runs: tuple[str, str], new_folder: Path
) -> None:
    stack_id = kept_stack()
    for run_id in runs:
        name_stack(run_id, stack_id)
    end_checkpoints(runs[0])
    forget_stacks()
    assert stack_folder(stack_id).is_dir()
    end_checkpoints(runs[1])
    forget_stacks()
    assert list(new_folder.iterdir()) == []


def test_another_stack_is_left_alone(runs: tuple[str, str]) -> None:
    mine, theirs = kept_stack(), kept_stack()
    name_stack(runs[0], theirs)
    forget_stacks()
    assert not stack_folder(mine).exists()
    assert stack_folder(theirs).is_dir()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"stack": 7}', '{"stack": "../../.."}']
)
def test_a_name_that_leads_elsewhere_is_none(
    runs: tuple[str, str], content: str
) -> None:
    name_stack(runs[0], new_stack())
    (file,) = state_folder(runs[0]).rglob("stack.json")
    assert json.loads(file.read_text())["stack"]
    file.write_text(content)
    assert stack_of(runs[0]) is None


def test_a_run_with_checkpoints_of_its_own_was_trained_alone(
    runs: tuple[str, str],
) -> None:
    one, two = runs
    (begin_checkpoints(one) / "step-7").touch()
    name_stack(two, new_stack())
    assert trained_alone(one)
    assert not trained_alone(two)
