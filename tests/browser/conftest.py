"""A browser before a server that holds what each command leaves, made once."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.browser.window import Window, browser
from tests.server import Server

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

EXPERIMENT = "icl"

#: Large enough for curves to look at, small enough for a moment.
SMALL = [
    "--preset", "smoke", "--epochs", "5", "--train_episodes", "4000", "--threads", "1",
    "--val_episodes", "1000", "--test_episodes", "2000",
]  # fmt: skip
MEMBERS = ["--variants", "no_labels,no_position", "--seeds", "0,1"]


@dataclass(frozen=True)
class Shown:
    """What a command has printed.

    Attributes:
        run_id: of the run, or parent run, that holds its results.
        links: that it prints.
    """

    run_id: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """A server, and what has been done there.

    Attributes:
        uri: of the server.
        experiment_id: of the one experiment.
        printed: command to what it has printed.
    """

    uri: str
    experiment_id: str
    printed: dict[str, Shown]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    @property
    def members(self) -> list[Run]:
        """The training runs, by name."""
        found = self.client.search_runs([self.experiment_id], "tags.kind = 'train'")
        return sorted(found, key=lambda run: str(run.info.run_name))


@pytest.fixture(scope="session")
def site(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("browser")
    shutil.copy(empty_database, folder)
    server = Server(folder)
    try:
        server.start()
        yield _filled(server.uri, folder)
    finally:
        server.end()


def _filled(uri: str, folder: Path) -> Site:
    """Every command once."""
    printed: dict[str, Shown] = {}

    def carry_out(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "icl_mlflow.cli.main", *arguments],
            cwd=folder,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": uri,
                "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
                "XDG_STATE_HOME": str(folder / "state"),
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        ids = re.findall(r"^(?:run|parent) +([0-9a-f]{32})", done.stdout, re.MULTILINE)
        links = re.findall(r"https?://\S+", done.stdout)
        printed[name] = Shown(ids[-1], tuple(links))
        return str(ids[-1])

    run = carry_out("train", "train", *SMALL)
    suite = carry_out("ablate", "ablate", *SMALL, *MEMBERS)
    carry_out("analyze", "analyze", "--run_id", run, "--episodes", "1000")
    carry_out("analyze_suite", "analyze", "--run_id", suite, "--episodes", "200")
    other = carry_out("another", "train", *SMALL, "--seed", "2")
    carry_out("compare", "compare", run, other, "--episodes", "500")
    carry_out("pipeline", "pipeline", *SMALL, *MEMBERS, "--analyses", "calibration")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return Site(uri, experiment.experiment_id, printed)


@pytest.fixture(scope="session")
def _driver() -> "Iterator[WebDriver]":
    with browser() as driver:
        yield driver


@pytest.fixture
def window(_driver: "WebDriver", site: Site) -> Window:
    return Window(_driver, site.uri)
