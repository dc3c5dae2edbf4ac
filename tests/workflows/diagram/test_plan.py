"""The plan of a diagram: a model a pool and seed, or one line that says why not."""

from typing import Any

import pytest

from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.problem import problem
from icl_mlflow.workflows.diagram.plan import plan_diagram
from icl_mlflow.workflows.diagram.settings import preset_settings


def test_every_seed_has_a_pool_of_its_own() -> None:
    settings = preset_settings("smoke", {"tau": 1})
    plan = plan_diagram(settings, [64, 4], range(2), Execution(), 100)
    wrappers = [problem(member).task.wrapping for member in plan.request.members]
    found = [(one.pool, one.pool_seed) for one in wrappers]
    assert found == [(4, 0), (4, 1), (64, 0), (64, 1)]
    assert len({member.identity for member in plan.request.members}) == 4
    names = plan.request.names(plan.request.members)
    assert next(iter(names)) == "A-baseline-pool4-seed0"


@pytest.mark.parametrize(
    ("given", "pools", "message"),
    [
        ({"pool": 8}, "4,8", "give pools, not pool or pool_seed"),
        ({"keep_checkpoints": "local"}, "4,8", "leave keep_checkpoints at doubling"),
        ({"epochs": 0}, "4,8", "epochs above 0"),
        ({}, "4", "several pools"),
        ({}, "4,many", "pools must be like 4,64,1024, not '4,many'"),
        ({}, "0,4", "pools must be like"),
    ],
)
def test_what_is_no_diagram_is_refused(
    given: dict[str, Any], pools: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plan_diagram(preset_settings("smoke", given), pools, "0", Execution(), 100)
