"""Tasks, variants, estimators and analyses of other packages, by entry points."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from icl_mlflow.estimators.ceilings import ceilings, readings
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.variants import VARIANTS
from tests.plugins.installed import BROKEN, TOY, install
from tests.plugins.toy_icl.sign import TOY as TASK
from tests.tiny import OPTIONS

ROOT = Path(__file__).parents[2]
CONTRACTS = (
    "tests/tasks/test_every_task.py",
    "tests/tasks/test_every_bayes.py",
    "tests/tasks/test_every_corrupted_bayes.py",
    "tests/tasks/test_parameters.py",
    "tests/estimators/test_every_estimator.py",
    "tests/variants/test_every_variant.py",
    "tests/analysis/test_every_analysis.py",
)
#: Whatever is the package's own, and its task with the baseline.
CHOSEN = "toy and (toy_ or baseline or tasks)"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has one package, and it works."""
    folder = tmp_path_factory.mktemp("toy")
    install("toy_icl", TOY, folder)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.fixture(scope="module")
def toy_and_torn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has another package too, which does not."""
    folder = tmp_path_factory.mktemp("toy-and-torn")
    install("toy_icl", TOY, folder)
    install("torn_icl", BROKEN, folder)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def icl(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**environment, "MLFLOW_EXPERIMENT_NAME": "tests"}
    for name in ("MLFLOW_TRACKING_URI",):
        if name in os.environ:
            environment[name] = os.environ[name]
    return subprocess.run(
        [sys.executable, "-m", "icl_mlflow.cli.main", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_contracts_hold_for_what_another_package_adds(toy: dict[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-k", CHOSEN, *CONTRACTS],
        cwd=ROOT, env=toy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-3_000:]
    assert "skipped" not in found.stdout


def test_a_task_of_another_package_is_trained_and_analyzed_by_its_parameters(
    store: Store, toy_and_torn: dict[str, str]
) -> None:
    trained = icl(toy_and_torn, "train", *OPTIONS, "--task", "Toy", "--gap", "0.6")
    assert trained.returncode == 0, trained.stderr
    (run,) = store.client.search_runs([store.experiment_id], "tags.kind = 'train'")
    assert run.data.params["gap"] == "0.6"
    assert run.data.tags["task"] == "Toy"
    said = [one for one in trained.stderr.splitlines() if " of package " in one]
    assert sorted(line.partition(" of package")[0] for line in said) == [
        "task 'A'",
        "task 'Torn'",
    ]

    asked = ["--run_id", run.info.run_id, "--episodes", "100", "--gap", "1"]
    chosen = ["--analyses", "scoreboard,parameter_sweep,toy_analysis"]
    analyzed = icl(toy_and_torn, "analyze", *asked, *chosen)
    assert analyzed.returncode == 0, analyzed.stderr
    assert "\ntoy_analysis " in analyzed.stdout
    assert "estimator 'torn_estimator' of package torn-icl cannot" in analyzed.stderr
    (found,) = store.client.search_runs([store.experiment_id], "tags.kind = 'analysis'")
    assert found.data.params["gap"] == "1.0"
    told = found.data.tags["mlflow.note.content"]
    assert "its log-odds have a mean size of" in told
    file = store.client.download_artifacts(found.info.run_id, "tables/numbers.csv")
    numbers = set(pd.read_csv(file)["number"])
    assert "toy_estimator_accuracy" in numbers
    assert "plug_in_accuracy" not in numbers
    assert {"scoreboard/excess_risk", "toy_analysis/size"} <= set(found.data.metrics)


def test_help_and_errors_know_what_another_package_adds(
    toy_and_torn: dict[str, str], new_folder: Path
) -> None:
    shown = icl(toy_and_torn, "analyze", "--help").stdout
    assert "--gap FLOAT" in shown
    assert "Task Toy: half the distance of the classes" in shown
    listed = icl(toy_and_torn, "ablate", "--list")
    assert "toy_variant" in listed.stdout
    assert "variant 'torn_variant' of package torn-icl cannot be used" in listed.stderr
    wrong = icl(toy_and_torn, "train", "--task", "A", "--gap", "1")
    assert wrong.returncode == 2
    assert "task A has no gap; its parameters are: dim, sep" in wrong.stderr
    broken = icl(toy_and_torn, "train", "--task", "Torn")
    assert broken.returncode == 2
    assert broken.stderr.splitlines()[-1].startswith(
        "Error: task 'Torn' of package torn-icl cannot be used: No module"
    )
    assert list(new_folder.iterdir()) == []


def test_a_ceiling_that_the_task_does_not_know_is_said_to_be_unknown() -> None:
    seen = TASK.sample(100, 8)
    shuffled = ceilings(TASK, seen, *readings(VARIANTS["shuffled_labels"]))
    assert shuffled.shown.kind == shuffled.ideal.kind == "unknown"
    assert not shuffled.ideal.is_chance
    # Its classes can be exchanged, so without labels guessing is all there is.
    unlabelled = ceilings(TASK, seen, *readings(VARIANTS["no_labels"]))
    assert unlabelled.ideal.is_chance
