"""Whom the server answers, what it keeps where, and which processes it has."""

import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from team_server.server import ADMINISTRATOR
from tests.faults.trainings import SMALL
from tests.team_server.team import NAME, Team, User, trainings

pytestmark = pytest.mark.slow

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def asked(team: Team, **headers: str) -> requests.Response:
    """The answer to something that the administrator wants changed."""
    return requests.post(
        f"{team.uri}/ajax-api/2.0/mlflow/experiments/search",
        json={"max_results": 1},
        headers=headers,
        auth=(ADMINISTRATOR, team.password),
        verify=str(team.server.authority),
        timeout=30,
    )


def test_it_answers_by_the_names_that_it_was_told_and_by_no_others(team: Team) -> None:
    port = team.server.port
    assert asked(team).ok
    assert asked(team, Host=f"{NAME}:{port}").ok
    assert asked(team, Host=f"elsewhere.example.org:{port}").status_code == 403


def test_its_own_pages_may_write_and_no_others(team: Team) -> None:
    own = f"https://{NAME}:{team.server.port}"
    assert asked(team, Origin=own, Host=f"{NAME}:{team.server.port}").ok
    assert asked(team, Origin="https://elsewhere.example.org").status_code == 403


def test_its_certificate_holds_for_its_name_under_its_authority(team: Team) -> None:
    for name in (NAME, "localhost", "127.0.0.1"):
        known = ssl.create_default_context(cafile=str(team.server.authority))
        where = ("127.0.0.1", team.server.port)
        with (
            socket.create_connection(where) as plain,
            known.wrap_socket(plain, server_hostname=name) as connection,
        ):
            assert connection.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("password", ["", "a wrong one"])
def test_it_lets_nobody_in_without_the_right_password(
    team: Team, user: Callable[[str], User], password: str
) -> None:
    ann = user("ann")
    ann = User(
        "ann", ann.folder, {**ann.environment, "MLFLOW_TRACKING_PASSWORD": password}
    )
    refused = ann.does("train", *SMALL)
    assert refused.code == 2
    assert f"{team.uri} does not let us in (HTTP 401)" in refused.error


def test_files_go_through_the_server_and_secrets_stay_with_it(
    team: Team, user: Callable[[str], User], client: MlflowClient
) -> None:
    ann = user("ann")
    assert ann.does("train", *SMALL, "--experiment", "files").code == 0
    (run,) = trainings(client, "files")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    folder = team.server.folder
    kept = {path.name for path in (folder / "artifacts").rglob("*")}
    assert {"settings.json", "history.csv", "model.safetensors"} <= kept
    for name in ("server.env", "basic_auth.ini", "pgpass", "ca.key", "server.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    database = (folder / "pgpass").read_text().strip().rpartition(":")[2]
    for secret in (database, team.password):
        assert not any(secret in command for command in commands())


def test_its_processes_are_one_a_worker_and_none_for_jobs(team: Team) -> None:
    group = team.processes.group
    members = [
        file.parent
        for file in Path("/proc").glob("[0-9]*/stat")
        if file.read_text().rpartition(")")[2].split()[2] == str(group)
    ]
    print([(one / "cmdline").read_text().replace("\0", " ") for one in members])
    # MLflow's command, uvicorn, multiprocessing's tracker, and the workers.
    assert len(members) == 3 + team.server.workers


def commands() -> list[str]:
    """The command lines of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(
                file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:  # it has ended
            continue
    return found
