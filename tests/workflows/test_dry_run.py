"""A plan says what would be trained, by what, and what that takes; nothing is made."""

import json

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import grid
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.dry_run import plan_members

SETTINGS = TrainSettings.preset("smoke", epochs=0, test_episodes=64, device="cpu")


def lines_of(plan: str) -> dict[str, str]:
    """The lines behind the settings, by their first word."""
    _, _, lines = plan.partition("\n}\n")
    return {line.split(" ", 1)[0]: line[13:] for line in lines.splitlines()}


def test_the_settings_are_those_that_all_members_share() -> None:
    members = grid(SETTINGS, ["baseline", "no_labels"], (0, 1))
    plan = plan_members(members, Execution(jobs=1))
    shared = json.loads(plan[: plan.index("\n}\n") + 2])
    assert shared["task"] == "A"
    assert shared["tau"] == 3
    assert not {"variant", "seed"} & shared.keys()


def test_members_engine_and_size_are_named() -> None:
    members = grid(SETTINGS, ["baseline", "no_labels"], (0, 1))
    found = lines_of(plan_members(members, Execution(engine="processes", jobs=2)))
    assert found["members"] == (
        "A-baseline-seed0, A-baseline-seed1, A-no_labels-seed0, A-no_labels-seed1"
    )
    assert found["engine"].startswith("processes: ")
    assert found["at"] == "2"
    sizes = {sum(p.numel() for p in initial_model(m).parameters()) for m in members}
    smaller, larger = sorted(sizes)  # without labels there is nothing to embed them
    assert found["parameters"] == f"{smaller:,} or {larger:,}"
    assert found["steps"] == "0 each"
    assert " a member" in found["memory"]


def test_one_model_needs_no_word_on_engines_and_many_not_all_names() -> None:
    assert "engine" not in lines_of(plan_members([SETTINGS], Execution()))
    many = grid(SETTINGS, ["baseline"], range(30))
    found = lines_of(plan_members(many, Execution()))
    assert found["members"] == "30, from A-baseline-seed0 to A-baseline-seed29"


def test_a_plan_warns_of_evaluation_that_takes_gigabytes() -> None:
    def planned(**sizes: int) -> list[str]:
        settings = TrainSettings.preset("smoke", epochs=0, device="cpu", **sizes)
        lines = plan_members([settings], Execution()).splitlines()
        return [line for line in lines if line.startswith("warning")]

    assert planned(n_context=2_048) == []
    (line,) = planned(n_context=2_048, dim=16, test_episodes=20_000)
    assert "6.0 GB of that" in line
    assert "of 2,048 points each; fewer test_episodes take less" in line
