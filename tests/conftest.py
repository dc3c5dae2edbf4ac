"""What many tests need: a fresh tracking store, trained runs, and a real server."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Before MLflow is imported: it would call home, and servers would start job workers.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"

from icl_mlflow.suite.member import train_member
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store import uri as location
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.settings import TrainSettings
from tests.server import Server
from tests.tiny import MOMENT

# A shell starts what it puts in the background with SIGINT and SIGQUIT ignored, and
# nohup ignores SIGHUP, which everything that tests start would inherit; some of it is
# to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _ending in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_ending, signal.SIG_DFL)

_FROM_OUTSIDE = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
    "ICL_MLFLOW_STATE",
)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: its migrations take seconds, a copy does not."""
    folder = tmp_path_factory.mktemp("empty-store")
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.chdir(folder)
        connect()
    (folder / "mlruns").mkdir(exist_ok=True)  # where files of its copies go
    return folder / "mlflow.db"


@pytest.fixture
def new_folder(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An empty working folder, and no word about MLflow in the environment."""
    forget_environment(monkeypatch)
    # What runs on a server need is kept with the user's things, not with ours.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(
    new_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty sqlite store in the working folder, known to child processes too."""
    shutil.copy(empty_database, new_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    return connect("tests")


@dataclass(frozen=True, kw_only=True)
class TrainedRuns:
    """Finished runs, by id: two parents with a child for seeds 0 and 1, and one more.

    Attributes:
        database: that holds them.
        baseline, no_labels: parents of these variants on task A.
        baseline_seeds, no_labels_seeds: their children.
        task_b: a run of task B.
    """

    database: Path
    baseline: str
    baseline_seeds: tuple[str, ...]
    no_labels: str
    no_labels_seeds: tuple[str, ...]
    task_b: str


@pytest.fixture(scope="session")
def trained_runs(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedRuns:
    """Smoke-size models, trained for a moment, once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    database = Path(shutil.copy(empty_database, folder))
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        store = connect("trained")
        baseline, baseline_seeds = _train_seeds(store, "baseline")
        no_labels, no_labels_seeds = _train_seeds(store, "no_labels")
        task_b = train_member(store, _moment(task="B")).run_id
    return TrainedRuns(
        database=database,
        baseline=baseline,
        baseline_seeds=baseline_seeds,
        no_labels=no_labels,
        no_labels_seeds=no_labels_seeds,
        task_b=task_b,
    )


@pytest.fixture
def trained_store(
    new_folder: Path, trained_runs: TrainedRuns, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """A store of its own for a test, with `trained_runs` in it."""
    shutil.copy(trained_runs.database, new_folder)  # their files stay where they are
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    return connect("trained")


def _train_seeds(store: Store, variant: str) -> tuple[str, tuple[str, ...]]:
    with open_run(
        store,
        name=f"A-{variant}-seeds0,1",
        kind="suite",
        params={},
        tags={"task": "A", "variant": variant},
        description="",
    ) as log:
        members = [_moment(variant=variant, seed=seed) for seed in (0, 1)]
        trained = [
            train_member(store, member, parent_run_id=log.run_id) for member in members
        ]
    return log.run_id, tuple(member.run_id for member in trained)


def _moment(**overrides: str | int) -> TrainSettings:
    """Settings of a training that takes a moment."""
    return TrainSettings.preset("smoke", **MOMENT, **overrides)


@pytest.fixture(scope="session")
def server_uri(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real MLflow server on this machine, the same for all tests."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder)
    server = Server(folder)
    try:
        server.start()
        yield server.uri
    finally:
        server.end()


@pytest.fixture
def server_store(
    server_uri: str, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A new experiment on the server; no run of it says RUNNING afterwards."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_uri)
    store = connect(new_folder.name)
    yield store
    running = "attributes.status = 'RUNNING'"
    for run in store.client.search_runs([store.experiment_id], running):
        store.client.set_terminated(run.info.run_id)


def forget_environment(patch: pytest.MonkeyPatch) -> None:
    """No word about MLflow in the environment, as on a machine that is new."""
    for name in _FROM_OUTSIDE:
        patch.delenv(name, raising=False)
    patch.setattr(location, "PLACES", {})  # a test is a program of its own
