"""The paper by one command: one small run of all of it, and what it leaves."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import icl_mlflow
from icl_mlflow.reproduction.paper import ACCURACIES, CORRELATIONS, SHIFT
from icl_mlflow.reproduction.table import LAST
from icl_mlflow.suite.engines.process_pool import Outcome
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.metrics import MOST_METRICS
from icl_mlflow.workflows import reproduce as workflow
from icl_mlflow.workflows.reproduction import evidence
from tests.cli.conftest import icl
from tests.conftest import forget_environment
from tests.workflows.figures.redrawn import assert_drawn_as_logged

__all__ = ["icl"]

Icl = Callable[..., Any]

#: Trainings of a moment.
MOMENT: dict[str, Any] = {
    "preset": "smoke",
    "train_episodes": 256,
    "val_episodes": 100,
    "test_episodes": 100,
}
OPTIONS = [word for name, value in MOMENT.items() for word in (f"--{name}", str(value))]
QUESTIONS = (
    *("llr_regression", "logit_lens", "kernel_regression"),
    *("ov_alignment", "component_ablation", "alignment_vs_impact"),
)


@dataclass(frozen=True)
class Made:
    """One reproduction; task B had been trained before.

    Attributes:
        database: that holds it all.
        earlier: the training of task B.
        result: the reproduction.
    """

    database: Path
    earlier: TrainingResult
    result: workflow.Reproduction


@pytest.fixture(scope="module")
def made(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Task B by `train`, then all of the paper's experiments, once for all tests."""
    database = Path(shutil.copy(empty_database, tmp_path_factory.mktemp("paper")))
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        earlier = icl_mlflow.train(task="B", quiet=True, **MOMENT)
        result = icl_mlflow.reproduce(seeds=[0], jobs=1, quiet=True, **MOMENT)
    return Made(database, earlier, result)


@pytest.fixture
def made_store(made: Made, new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of its own for a test, with all that was made in it."""
    shutil.copy(made.database, new_folder)  # its files stay where they are
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    return connect()


def step(point: Any) -> int:
    found: int = point.step
    return found


def artifact(store: Store, run_id: str, path: str, folder: Path) -> str:
    file = store.client.download_artifacts(run_id, path, str(folder))
    return Path(file).read_text()


def test_all_hangs_below_one_parent_and_nothing_is_trained_twice(
    made: Made, made_store: Store, new_folder: Path
) -> None:
    client, experiment = made_store.client, made_store.experiment_id
    parent = client.get_run(made.result.run_id)
    assert parent.info.status == "FINISHED"
    trained = client.search_runs([experiment], "tags.kind = 'train'")
    assert len(trained) == 14
    assert {run.info.status for run in trained} == {"FINISHED"}
    below = [
        run
        for run in trained
        if run.data.tags.get("mlflow.parentRunId") == made.result.run_id
    ]
    assert {run.data.tags["task"] for run in below} == {"A"}
    listed = json.loads(
        artifact(made_store, made.result.run_id, "members.json", new_folder)
    )
    reused = {member["run_id"] for member in listed if member["reused"]}
    assert reused == {made.earlier.run_id}
    assert {member["task"] for member in listed} == {"A", "B"}


def test_every_experiment_has_its_row_from_its_trainings(
    made: Made, made_store: Store
) -> None:
    table = made.result.table
    judged = table[table["epoch"] == LAST]
    assert list(judged["experiment"]) == [each.name for each in ACCURACIES]
    assert list(judged["paper"]) == [each.mean for each in ACCURACIES]
    assert set(judged["seeds"]) == {"0"}
    assert set(judged["verdict"]) == {"undecided"}  # one seed has no interval
    assert made.result.missing == ()
    client = made_store.client
    for row in table.to_dict("records"):
        runs = client.search_runs(
            [made_store.experiment_id],
            f"tags.task = '{row['task']}' AND tags.variant = '{row['variant']}'"
            " AND tags.kind = 'train'",
        )
        where = SHIFT if row["experiment"] == "task_A_OOD" else "val"
        (run,) = runs
        points = client.get_metric_history(run.info.run_id, f"{where}/accuracy")
        reached = [f"{point.value:.4f}" for point in sorted(points, key=step)]
        assert len(reached) == 2
        if row["epoch"] == LAST:
            assert row["each_accuracy"] == reached[-1]
            assert 0.45 < row["bayes"] < 0.95
        else:  # a choice of epoch, among those there are
            assert row["each_accuracy"] in reached


def test_its_figures_are_drawn_again_as_they_were(
    made: Made, made_store: Store
) -> None:
    assert_drawn_as_logged(EndedRun.of(made_store.client, made.result.run_id))


def test_the_papers_figures_are_made_of_the_registered_models(
    made: Made, made_store: Store, new_folder: Path
) -> None:
    run_id, client = made.result.run_id, made_store.client
    figures = {Path(f.path).stem for f in client.list_artifacts(run_id, "figures")}
    asked = {f"{name}-{task}" for name in QUESTIONS for task in "AB"}
    assert figures == {"papers_table", "learning_curves", *asked}
    tables = {Path(f.path).name for f in client.list_artifacts(run_id, "tables")}
    assert {
        *(f"reproduction.{ending}" for ending in ("csv", "json", "md", "tex")),
        "correlations.csv",
        *(f"{name}.csv" for name in asked),
    } == tables
    found = made.result.correlations
    assert list(found["paper, one model"]) == [each.value for each in CORRELATIONS]
    assert set(found["models"]) == {1}
    metrics = client.get_run(run_id).data.metrics
    counts = {k: v for k, v in metrics.items() if k.startswith("experiments/")}
    assert sum(counts.values()) == 15
    assert len(metrics) <= MOST_METRICS
    # Every head of every model has its place in the OV heat maps of both tasks.
    for task in "AB":
        text = artifact(
            made_store, run_id, f"tables/ov_alignment-{task}.csv", new_folder
        )
        assert len(text.splitlines()) == 1 + 8
        names = {line.split(",")[0] for line in text.splitlines()[1:]}
        assert names == {f"{task}-baseline-seed0"}


def test_the_page_stands_alone_and_says_all_of_it(
    made: Made, made_store: Store, new_folder: Path
) -> None:
    page = artifact(made_store, made.result.run_id, workflow.PAGE, new_folder)
    assert page == made.result.page
    assert len(page.encode()) <= 3_000_000
    assert not re.findall(r'(?:src|href)="(?!data:|#|http://127\.0\.0\.1)', page)
    assert "<script" not in page
    assert 'name="viewport"' in page
    assert page.count("<img ") == 2 + 2 * len(QUESTIONS)
    for row in made.result.table.to_dict("records"):
        assert row["experiment"] in page
    assert "a leak" in page
    assert "icl-mlflow reproduce --seeds 0 " in page


def test_it_can_be_made_again_without_training(
    made_store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what has finished: here, all but one."""
    monkeypatch.setattr(evidence, "QUESTIONS", ())
    client, experiment = made_store.client, made_store.experiment_id
    (gone,) = client.search_runs([experiment], "tags.variant = 'no_labels'")
    client.delete_run(gone.info.run_id)
    before = len(client.search_runs([experiment]))
    plan = icl("reproduce", *OPTIONS, "--seeds", "0", "--dry_run")
    assert plan.code == 0, plan.err
    lines = {" ".join(line.split()) for line in plan.out.splitlines()}
    assert "A-baseline reused: seeds 0" in lines
    assert "A-no_labels to train: seeds 0" in lines
    assert "members A-no_labels-seed0" in lines
    assert len(client.search_runs([experiment])) == before
    ended = icl("reproduce", *OPTIONS, "--seeds", "0", "--page_only")
    assert ended.code == 0, ended.err
    assert "members  14: 13 finished before, 1 missing" in ended.out
    assert "task_A_ablation_no_labels: missing: seed 0" in ended.out
    assert "one seed has no interval" in ended.out
    assert (
        "missing  task_A_ablation_no_labels, seeds 0: icl-mlflow reproduce --seeds 0 "
        in ended.out
    )
    assert len(client.search_runs([experiment])) == before + 1  # the parent


def test_a_member_that_fails_leaves_a_page_of_the_others(
    made_store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "QUESTIONS", ())
    client, experiment = made_store.client, made_store.experiment_id
    (gone,) = client.search_runs([experiment], "tags.variant = 'no_labels'")
    client.delete_run(gone.info.run_id)
    with monkeypatch.context() as patch:
        # As when the process of its training is killed.
        killed = Outcome(None, "killed by SIGKILL")
        patch.setattr(workflow, "train_members", lambda *_, **__: [killed])
        ended = icl("reproduce", *OPTIONS, "--seeds", "0")
    assert ended.code == 1
    assert "1 of 1 members failed: A-no_labels-seed0: killed" in ended.err
    (parent,) = client.search_runs([experiment], "attributes.status = 'FAILED'")
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert workflow.PAGE in kept
    again = icl("reproduce", *OPTIONS, "--seeds", "0")
    assert again.code == 0, again.err
    assert "14: 13 finished before, 1 to train" in again.out
    assert "missing" not in again.out
