"""What is missing is named with the command that trains it."""

from dataclasses import replace

from icl_mlflow.reproduction.table import rows
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import papers_trainings
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.reproduction.commands import missing_lines
from tests.reproduction.planted import CURVE, SHIFTED, found, member

SETTINGS = TrainSettings.preset("smoke")


def test_every_kind_of_gap_has_its_command(store: Store) -> None:
    request = papers_trainings(SETTINGS, (0, 1), Execution())
    seeds = [member("baseline", 0, CURVE, **SHIFTED), member("baseline", 1, CURVE)]
    ended = replace(member("no_labels", 0, CURVE), is_finished=False)
    judged = rows(found(baseline=seeds, no_labels=[ended]))
    missing, untested, shifted = missing_lines(store, request, judged)
    assert "task_A_ablation_no_labels, seeds 1" in missing
    assert "task_A_regular" not in missing
    assert "icl-mlflow reproduce --seeds 0,1 --dim 4" in missing
    assert missing.endswith("--experiment tests")
    assert untested.startswith("task_A_ablation_no_labels, seeds 0, which were ended")
    assert shifted.startswith("task_A_OOD, seeds 1, which were trained without")
    assert "--seeds 1 --also_evaluate out_of_distribution" in shifted
