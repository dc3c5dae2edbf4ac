"""A team at its server: an administrator, and users with folders and passwords."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client

from team_server.postgresql import MissingProgramError, free_port
from team_server.processes import Processes
from team_server.server import ADMINISTRATOR, TeamServer
from tests.faults.trainings import EPOCHS

#: A name of the server that other machines would know.
NAME = "mlflow.example.org"

PASSWORDS = {"ann": "anns-password-is-long", "bob": "bobs-password-is-long"}


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

    @property
    def error(self) -> str:
        """The one line of a command that has failed."""
        lines = self.err.strip().splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        assert errors == lines[-1:], self.err
        assert "Traceback" not in self.err
        return errors[0]


@dataclass(frozen=True)
class User:
    """Somebody with a folder and a password.

    Attributes:
        name: by which the server knows them.
        folder: to work in.
        environment: what is set there.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]

    def starts(self, *arguments: str, umask: int = -1) -> "subprocess.Popen[str]":
        """``icl-mlflow`` with these arguments."""
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
        """The same, to its end."""
        process = self.starts(*arguments, umask=umask)
        out, err = process.communicate(timeout=300)
        print(">>>", self.name, arguments, process.returncode, out, err, sep="\n")
        return Said(process.returncode, out, err)

    def without(self, variable: str) -> "User":
        """The same user, for whom a variable is not set."""
        known = {k: v for k, v in self.environment.items() if k != variable}
        return replace(self, environment=known)


@dataclass(frozen=True)
class Team:
    """A server that runs, and who may do what there.

    Attributes:
        processes: may be killed and started again.
        password: the administrator's.
    """

    processes: Processes
    password: str

    @property
    def server(self) -> TeamServer:
        return self.processes.server

    @property
    def uri(self) -> str:
        """Its name is in no directory, so on this machine it has a number."""
        return f"https://127.0.0.1:{self.server.port}"

    def environment(self, name: str) -> dict[str, str]:
        """What somebody sets to work there."""
        password = {ADMINISTRATOR: self.password, **PASSWORDS}[name]
        mine = self.server.user_environment(name, password)
        return {**mine, "MLFLOW_TRACKING_URI": self.uri}

    def user(self, name: str, folder: Path) -> User:
        """Somebody who works in a new folder below this one."""
        mine = folder / name
        mine.mkdir()
        state = {"XDG_STATE_HOME": str(mine / "state")}
        return User(name, mine, {**os.environ, **self.environment(name), **state})

    @contextmanager
    def as_administrator(self) -> Iterator[Any]:
        """MLflow's client for users and permissions."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment(ADMINISTRATOR).items():
                patch.setenv(name, value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow's own, as its server's
                client = get_app_client("basic-auth", tracking_uri=self.uri)
            yield client

    def grant(self, user: str, kind: str, what: str, permission: str = "EDIT") -> None:
        """Let a user work with what another has made; as before if that is so."""
        with self.as_administrator() as admin:
            try:
                admin.grant_user_permission(user, kind, what, permission)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise


@contextmanager
def prepared_server() -> Iterator[Processes]:
    """A server in a folder of its own, ready to be started, and ended at the end."""
    pytest.importorskip("flask_wtf", reason="the extra server is not installed")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    # Not in the folder of the tests, which PostgreSQL cannot enter as another user.
    with tempfile.TemporaryDirectory(prefix="team-server-") as folder:
        server = TeamServer(
            folder=Path(folder),
            port=free_port(),
            database_port=free_port(),
            names=(NAME,),
        )
        try:
            server.prepare()
        except MissingProgramError as missing:
            pytest.skip(str(missing))
        processes = Processes(server)
        try:
            yield processes
        finally:
            processes.end()


@contextmanager
def team_at_work() -> Iterator[Team]:
    """Start the server, and make the users: each may do what they like with theirs."""
    with prepared_server() as processes:
        processes.start()
        team = Team(processes, processes.server.password)
        with team.as_administrator() as admin:
            for name, password in PASSWORDS.items():
                admin.create_user(name, password)
        yield team


def trainings(client: MlflowClient, experiment: str) -> list[Run]:
    """The training runs of an experiment, which may not be there yet."""
    found = client.get_experiment_by_name(experiment)
    places = [found.experiment_id] if found else []
    return list(client.search_runs(places, "tags.kind = 'train'")) if places else []


def assert_whole(client: MlflowClient, run_id: str) -> None:
    """The run has finished, with every epoch of every metric exactly once."""
    assert client.get_run(run_id).info.status == "FINISHED"
    for key in ("train/loss", "val/loss", "val/excess_risk"):
        steps = Counter(p.step for p in client.get_metric_history(run_id, key))
        assert steps == Counter(range(EPOCHS)), (key, steps)
