"""Two users work at one server that knows them by password, over TLS and PostgreSQL."""

import os
import re
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.faults.guarded import ADMIN, Guarded, guarded_server
from tests.faults.trainings import EPOCHS, SMALL

pytestmark = pytest.mark.slow

SHARED = ["--experiment", "shared"]
MODEL = "icl-A-baseline"


@dataclass(frozen=True)
class Said:
    """What a command has said."""

    code: int
    out: str
    err: str

    @property
    def run_id(self) -> str:
        found = re.findall(r"^(?:run|parent) +([0-9a-f]{32})", self.out, re.MULTILINE)
        assert found, (self.out, self.err)
        return str(found[-1])


@dataclass(frozen=True)
class User:
    """Somebody with a folder and a password.

    Attributes:
        folder: to work in.
        environment: what is set there.
    """

    folder: Path
    environment: Mapping[str, str]

    def starts(self, *arguments: str, umask: int = -1) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "icl_mlflow.cli.main", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )

    def does(self, *arguments: str, umask: int = -1) -> Said:
        """``icl-mlflow`` with these arguments, to its end."""
        process = self.starts(*arguments, umask=umask)
        out, err = process.communicate(timeout=300)
        print(">>>", arguments, process.returncode, out, err, sep="\n")
        return Said(process.returncode, out, err)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as server:
        yield server


@pytest.fixture
def user(new_folder: Path, guarded: Guarded) -> Callable[[str], User]:
    def named(name: str) -> User:
        folder = new_folder / name
        folder.mkdir(exist_ok=True)
        state = {"XDG_STATE_HOME": str(folder / "state")}
        return User(folder, {**os.environ, **guarded.environment(name), **state})

    return named


@pytest.fixture
def client(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The administrator's, who sees all."""
    for name, value in guarded.environment(ADMIN[0]).items():
        monkeypatch.setenv(name, value)
    return MlflowClient()


def assert_whole(client: MlflowClient, run_id: str) -> None:
    """The run has finished, with every epoch of every metric exactly once."""
    assert client.get_run(run_id).info.status == "FINISHED"
    for key in ("train/loss", "val/loss", "val/excess_risk"):
        steps = Counter(p.step for p in client.get_metric_history(run_id, key))
        assert steps == Counter(range(EPOCHS)), (key, steps)


def trainings(client: MlflowClient, experiment: str) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], "tags.kind = 'train'"))


def test_two_users_share_an_experiment_and_a_model(
    guarded: Guarded, user: Callable[[str], User], client: MlflowClient
) -> None:
    ann, bob = user("ann"), user("bob")
    first = ann.does("train", *SMALL, *SHARED)
    assert first.code == 0
    members = ["--variants", "no_labels", "--seeds", "0-1"]
    assert ann.does("ablate", *SMALL, *SHARED, *members).code == 0
    few = ["--analyses", "calibration", "--episodes", "100"]
    assert ann.does("analyze", "--run_id", first.run_id, *few).code == 0
    (other,) = [
        run.info.run_id
        for run in trainings(client, "shared")
        if run.info.run_name == "A-no_labels-seed0"
    ]
    assert ann.does("compare", first.run_id, other, "--episodes", "100").code == 0

    denied = bob.does("train", *SMALL, *SHARED, "--seed", "5")
    assert denied.code != 0
    assert len(denied.err.strip().splitlines()) == 1, denied.err
    experiment = client.get_experiment_by_name("shared").experiment_id
    guarded.grant("bob", "experiment", experiment)
    second = bob.does("train", *SMALL, *SHARED, "--seed", "7")
    assert second.code == 0
    assert f"the registered model {MODEL} is ann's, and bob may not edit" in second.err
    assert_whole(client, second.run_id)  # nothing else of it waits for a permission
    guarded.grant("bob", "registered_model", MODEL)
    assert bob.does("sync").code == 0
    third = bob.does("train", *SMALL, *SHARED, "--seed", "8")
    assert third.code == 0

    for run in trainings(client, "shared"):
        assert_whole(client, run.info.run_id)
    versions = client.search_model_versions(f"name='{MODEL}'")
    # Seeds 0 and 1 of hers, one of which the suite has trained, and 7 and 8 of his.
    assert len({v.run_id for v in versions}) == len(versions) == 4
    for one in (ann, bob):
        assert one.does("sync").out.strip() == "nothing waits to be delivered"
        assert "no dead runs" in one.does("reap").out


def test_a_server_that_is_restarted_five_times_has_every_row_once(
    guarded: Guarded, user: Callable[[str], User], client: MlflowClient
) -> None:
    ann = user("ann")
    long = [*SMALL, "--train_episodes", "40000", "--experiment", "restarts"]
    process = ann.starts("train", *long)
    for _ in range(5):
        time.sleep(4)
        guarded.server.kill()
        time.sleep(1)
        guarded.server.start()
    assert process.poll() is None, "it ended before the last restart"
    out, err = process.communicate(timeout=300)
    print(out, err)
    assert process.returncode == 0
    assert ann.does("sync").code == 0
    (run,) = trainings(client, "restarts")
    assert_whole(client, run.info.run_id)


@pytest.mark.parametrize("what", ["umask 000", "no HOME", "read-only folder"])
def test_odd_surroundings_change_nothing(
    user: Callable[[str], User], client: MlflowClient, what: str
) -> None:
    ann = user("ann")
    experiment = ["--experiment", what.replace(" ", "-")]
    umask = 0 if what == "umask 000" else -1
    if what == "no HOME":
        known = {k: v for k, v in ann.environment.items() if k != "HOME"}
        ann = User(ann.folder, known)
    if what == "read-only folder":
        ann.folder.chmod(0o555)
    done = ann.does("train", *SMALL, *experiment, umask=umask)
    ann.folder.chmod(0o755)
    assert done.code == 0
    assert_whole(client, done.run_id)
    assert stat.S_IMODE((ann.folder / "state" / "icl-mlflow").stat().st_mode) == 0o700
