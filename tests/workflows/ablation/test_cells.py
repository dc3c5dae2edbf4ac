"""Members are compared within their own cell, and named by it."""

from icl_mlflow.analysis.ablation.effects import measure_cells
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import several_variants
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.ablation.cells import (
    ceilings_by_label,
    cells_of_suite,
    differences,
    verdicts,
)
from tests.analysis.ablation.planted import EPISODES, member
from tests.tiny import TRAINING

SETTINGS = TrainSettings(**{**TRAINING, "test_episodes": EPISODES})


def test_every_member_stands_with_those_of_its_cell() -> None:
    grid = {"tau": (0.0, 3.0)}
    request = several_variants(SETTINGS, "no_position", (0,), Execution(), grid)
    planted = [
        member(one.variant, index, 0.1 * index)
        for index, one in enumerate(request.members)
    ]
    listed = [
        {"run_id": run.run_id, "settings_hash": one.identity}
        for run, one in zip(planted, request.members, strict=True)
    ]
    cells = cells_of_suite(request, planted[:3], listed)
    assert [cell.where for cell in cells] == [
        {"cell": "tau=0", "tau": 0.0},
        {"cell": "tau=3", "tau": 3.0},
    ]
    assert [[m.run_id for m in cell.members] for cell in cells] == [
        [planted[0].run_id, planted[1].run_id],
        [planted[2].run_id],
    ]
    assert list(ceilings_by_label(cells)) == [
        *("tau=0", "tau=0, no_position", "tau=3", "tau=3, no_position")
    ]
    assert differences(cells).keys() == {planted[0].run_id, planted[2].run_id}
    table = with_verdicts(measure_cells(cells, n_resamples=2))
    assert verdicts(cells, table)[planted[0].run_id] == "reference"
    assert len(verdicts(cells, table)) == 3
