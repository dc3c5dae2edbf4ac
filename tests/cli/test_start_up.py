"""A command imports what it needs and no more: what is slow comes last, if at all."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.speed import server

_CONSOLE_SCRIPT = "icl_mlflow.cli.main"

TINY = ("--preset", "smoke", "--d_model", "8", "--batch_size", "64")


class Started:
    """A command in a process of its own, and the modules that it has imported."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", _CONSOLE_SCRIPT, *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = ended.stderr.splitlines()
        timed = [line for line in lines if line.startswith("import time:")]
        self.code, self.out = ended.returncode, ended.stdout
        self.err = "\n".join(line for line in lines if line not in set(timed))
        self._modules = {line.rpartition("|")[2].strip() for line in timed}

    def imported(self, *modules: str) -> set[str]:
        """Those of these modules that it has imported."""
        return self._modules.intersection(modules)


def test_the_list_of_variants_needs_no_torch() -> None:
    listing = Started("ablate", "--list")
    assert "noisy_labels_0.4" in listing.out
    assert listing.imported("torch", "numpy", "mlflow", "pandas") == set()


@pytest.mark.parametrize(
    "command",
    [("train",), ("ablate", "--variants", "no_labels", "--seeds", "0")],
    ids=["train", "ablate"],
)
def test_a_dry_run_needs_neither_mlflow_nor_figures(
    command: tuple[str, ...], new_folder: Path
) -> None:
    planned = Started(*command, *TINY, "--dry_run")
    assert planned.code == 0, planned.err
    assert "no run was created" in planned.out
    assert planned.imported("torch") == {"torch"}  # the plan tries a few steps
    assert planned.imported("mlflow", "matplotlib", "pandas", "scipy.stats") == set()
    assert list(new_folder.iterdir()) == []


@pytest.mark.usefixtures("store")
def test_a_training_needs_no_module_of_statistics() -> None:
    trained = Started("train", *TINY, "--epochs", "0", "--test_episodes", "64")
    assert trained.code == 0, trained.err
    assert trained.imported("mlflow", "matplotlib") == {"mlflow"} | {"matplotlib"}
    assert trained.imported("scipy.stats", "seaborn") == set()


def test_nothing_to_deliver_needs_neither_mlflow_nor_torch(new_folder: Path) -> None:
    synced = Started("sync")
    assert synced.out == "nothing waits to be delivered\n"
    assert synced.imported("torch", "mlflow", "numpy") == set()
    assert list(new_folder.iterdir()) == []


@pytest.mark.usefixtures("store")
def test_nothing_to_reap_needs_neither_mlflow_nor_torch() -> None:
    reaped = Started("reap")
    assert reaped.out == "no dead runs\n"
    assert reaped.imported("torch", "mlflow", "numpy") == set()


@pytest.mark.usefixtures("server_store")
def test_nothing_to_reap_on_a_server_needs_neither_mlflow_nor_torch() -> None:
    reaped = Started("reap")
    assert reaped.out == "no dead runs\n"
    assert reaped.imported("torch", "mlflow", "numpy") == set()


@pytest.mark.usefixtures("trained_store")
def test_the_list_of_models_needs_no_torch() -> None:
    listed = Started("models", "--task", "A")
    assert "icl-A-baseline/1" in listed.out
    assert listed.imported("torch", "matplotlib", "safetensors") == set()


@pytest.mark.parametrize("command", ["analyze", "compare", "export", "models", "reap"])
@pytest.mark.usefixtures("new_folder")
def test_that_there_are_no_runs_yet_is_said_without_mlflow(command: str) -> None:
    runs = {"analyze": ("--run_id", "a"), "compare": ("a", "b"), "export": ("a",)}
    refused = Started(command, *runs.get(command, ()))
    assert refused.code == 2
    assert "there are no runs yet" in refused.err
    assert refused.imported("torch", "mlflow") == set()


@pytest.fixture
def closed_server() -> Iterator[str]:
    """A server that lets nobody in, as MLflow's does with a wrong password."""
    with server.closed_server() as uri:
        yield uri


@pytest.mark.parametrize(
    "command",
    [
        ("train",),
        ("ablate",),
        ("analyze", "--run_id", "a"),
        ("compare", "a", "b"),
        ("export", "a"),
        ("models",),
        ("reap",),
    ],
    ids=lambda command: command[0],
)
def test_a_wrong_password_is_said_before_anything_slow_is_imported(
    command: tuple[str, ...], closed_server: str, new_folder: Path
) -> None:
    refused = Started(
        *command,
        MLFLOW_TRACKING_URI=closed_server,
        MLFLOW_TRACKING_TOKEN="wr0ng-token",  # noqa: S106
    )
    assert refused.code == 2
    assert "it does not accept the token of MLFLOW_TRACKING_TOKEN" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert "wr0ng" not in refused.err
    assert refused.imported("torch", "mlflow", "numpy") == set()
    assert list(new_folder.iterdir()) == []
