"""A suite: every member once, nothing twice, and what died is told and repeated."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from icl_mlflow.evaluation import bayes_accuracy
from icl_mlflow.suite.axes import Grid
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import choose_variants, several_variants
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tracking.local.claims import CHECKPOINTS, state_folder
from icl_mlflow.tracking.models.lookup import models_of_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.workflows.ablate import Ablation, ablate, plan_suite
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def run_suite(
    store: Store, variants: str, seeds: tuple[int, ...], grid: Grid | None = None
) -> Ablation:
    request = several_variants(SETTINGS, variants, seeds, Execution(jobs=1), grid)
    return ablate(store, plan_suite(store, request))


def children(store: Store) -> dict[str, str]:
    """Run id to status of all training runs."""
    runs = store.client.search_runs([store.experiment_id], "tags.kind = 'train'")
    return {run.info.run_id: run.info.status for run in runs}


def artifacts(store: Store, run_id: str, folder: str = "") -> set[str]:
    found = store.client.list_artifacts(run_id, folder or None)
    return {file.path for file in found}


def test_a_second_suite_reuses_what_is_there_and_trains_the_rest(
    store: Store, tmp_path: Path
) -> None:
    first = run_suite(store, "no_labels", (0, 1))
    trained = children(store)
    assert len(trained) == 4
    assert list(first.table["variant"]) == ["baseline", "no_labels"]
    assert {
        "figures/differences.png",
        "figures/learning_curves.png",
        "figures/learning_curve-no_labels.png",
    } <= artifacts(store, first.run_id, "figures")
    assert "report.html" in artifacts(store, first.run_id)
    assert artifacts(store, first.run_id, "tables") == {
        f"tables/{name}"
        for name in ("ablation.csv", "ablation.md", "ablation.tex", "paper.csv")
    }

    second = run_suite(store, "no_labels,frozen_position", (0, 1))
    new = children(store).keys() - trained.keys()
    assert len(new) == 2
    parent = store.client.get_run(second.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["kind"] == "suite"
    listed = store.client.download_artifacts(second.run_id, "members.json", tmp_path)
    members = json.loads(Path(listed).read_text())
    assert [m["reused"] for m in members] == [True] * 4 + [False] * 2
    assert {m["run_id"] for m in members} == children(store).keys()
    models = models_of_run(store.client, second.run_id)
    assert [(m.tags["variant"], m.tags["seed"]) for m in models] == [
        (variant, seed)
        for variant in ("baseline", "frozen_position", "no_labels")
        for seed in "01"
    ]
    both = first.table.set_index("variant").loc[["baseline", "no_labels"]]
    again = second.table.set_index("variant").loc[["baseline", "no_labels"]]
    assert list(both["excess_risk"]) == list(again["excess_risk"])


def test_a_grid_compares_each_cell_with_its_own_bayes_and_trains_what_is_missing(
    store: Store,
) -> None:
    first = run_suite(store, "default", (0,), "tau=0,9")
    assert list(first.table["cell"]) == ["tau=0", "tau=9"]
    assert list(first.table["tau"]) == [0.0, 9.0]
    assert set(first.table["variant"]) == {"baseline"}
    trained = children(store)
    names = {store.client.get_run(run_id).info.run_name for run_id in trained}
    assert names == {"A-baseline-tau0-seed0", "A-baseline-tau9-seed0"}
    assert "figures/heat_map-baseline.png" in artifacts(store, first.run_id, "figures")

    second = run_suite(store, "no_position", (0,), {"tau": [0, 9]})
    new = children(store).keys() - trained.keys()
    assert {store.client.get_run(run_id).data.params["tau"] for run_id in new} == {
        *("0.0", "9.0")
    }
    table = second.table.set_index(["cell", "variant"])
    for cell, tau in (("tau=0", 0.0), ("tau=9", 9.0)):
        task = with_parameters(TASKS["A"], {"dim": SETTINGS.dim, "tau": tau})
        episodes = task.sample(SETTINGS.test_episodes, 8, stream="test")
        exact = bayes_accuracy(task.bayes_logit(episodes))
        assert table.loc[(cell, "no_position"), "bayes_accuracy"] == exact
    before = first.table.set_index("cell")["excess_risk"]
    assert dict(before) == dict(table.xs("baseline", level=1)["excess_risk"])
    parent = store.client.get_run(second.run_id)
    assert parent.data.params["grid"] == "tau=0,9"
    assert "tau" not in parent.data.params
    assert list(second.sentences)[:2] == ["tau=0", "tau=0, no_position"]


def test_all_means_every_listed_variant_that_the_task_can_have() -> None:
    assert choose_variants("all", "A") == tuple(VARIANTS)
    assert set(VARIANTS) - set(choose_variants("all", "A", ["tau"])) == {"no_nuisance"}
    assert set(VARIANTS) - set(choose_variants("all", "B")) == {"no_nuisance"}


@pytest.mark.slow
def test_one_killed_member_is_told_and_goes_on_alone(store: Store) -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "ablate"]
    command += ["--preset", "smoke", "--variants", "no_labels", "--seeds", "0,1"]
    command += ["--jobs", "1", "--train_episodes", "25600", "--val_episodes", "64"]
    command += ["--test_episodes", "64"]
    environment = {**os.environ, "MLFLOW_EXPERIMENT_NAME": "tests"}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        _kill_the_first_worker_that_trains(store, process.pid)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    start, *epochs, line = errors.splitlines()
    assert start.startswith("4 members: 2 epochs of ")
    assert all(": epoch " in line for line in epochs)
    assert line.startswith("Error: 1 of 4 members failed: A-baseline-seed0: ")
    assert "SIGKILL" in line
    before = children(store)
    assert sorted(before.values()) == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]

    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "members  4: 3 finished before, 1 to train" in again.stdout
    assert children(store) == dict.fromkeys(before, "FINISHED")
    (killed,) = [run_id for run_id, status in before.items() if status == "KILLED"]
    parents = store.client.search_runs(
        [store.experiment_id], "tags.kind = 'suite' AND attributes.status = 'FINISHED'"
    )
    goes_on = store.client.get_run(killed).data.tags["mlflow.parentRunId"]
    assert [parent.info.run_id for parent in parents] == [goes_on]


def _kill_the_first_worker_that_trains(store: Store, parent: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        running = [
            id_ for id_, status in children(store).items() if status == "RUNNING"
        ]
        # From then on it is known on this machine, and can be resumed.
        if any((state_folder(run_id) / CHECKPOINTS).is_dir() for run_id in running):
            found = subprocess.run(
                ["pgrep", "-P", str(parent), "-f", "spawn_main"],
                capture_output=True,
                text=True,
                check=True,
            )
            os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
            return
        time.sleep(0.05)
    pytest.fail("no member ever ran")


@pytest.mark.parametrize("variants", ["no_lables", "no_labels+noisy_labels_0.2", ""])
def test_a_variant_that_is_none_is_refused(variants: str) -> None:
    with pytest.raises(ValueError, match=r"variant|give one name at least, or 'all'"):
        choose_variants(variants, "A")
