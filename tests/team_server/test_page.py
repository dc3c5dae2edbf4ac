"""What docs/server.md says to type is what the tests and `make server` start."""

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from team_server.server import ADMINISTRATOR, TeamServer
from tests.faults.trainings import SMALL
from tests.team_server.team import NAME, Team, prepared_server, trainings

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
SERVER = TeamServer(
    folder=Path("/srv/mlflow"),
    port=5443,
    database_port=5432,
    host="0.0.0.0",  # noqa: S104 -- as on the page
    names=(NAME,),
)

KEPT = ["--experiment", "kept"]


def block(mark: str) -> str:
    form = rf"<!-- {mark} -->\n```\w+\n(.*?)^```$"
    found = re.search(form, PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def commands(mark: str) -> list[list[str]]:
    lines = block(mark).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def test_the_server_is_started_as_the_page_says() -> None:
    assert commands("command") == [["mlflow", *SERVER.command()[3:]]]


def test_the_certificates_are_made_as_the_page_says() -> None:
    assert commands("certificates") == [
        SERVER.authority_command(),
        *SERVER.certificate_commands(),
    ]


def test_its_variables_are_those_of_the_page() -> None:
    said = dict(line.split("=", 1) for line in block("variables").splitlines())
    ours = SERVER.variables()
    secret = {"MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"}
    assert list(said) == list(ours)
    assert all(said[name] == ours[name] for name in ours.keys() - secret)


def test_its_settings_are_those_of_the_page() -> None:
    file = configparser.ConfigParser()
    file.read_string(block("settings"))
    assert dict(file["mlflow"]) == SERVER.settings()


@pytest.mark.slow
def test_users_and_permissions_are_made_as_the_page_says(team: Team) -> None:
    known: dict[str, object] = {}
    with team.as_administrator() as admin:
        exec(block("users"), known)  # noqa: S102 that is its work
        for name, kind, what in (
            ("carol", "experiment", "0"),
            ("carol", "registered_model", "icl-A-baseline"),
            ("dave", "experiment", "0"),
            ("dave", "registered_model", "of-nobody-yet"),
        ):
            found = admin.get_user_permission(name, kind, what)
            assert found.permission == "EDIT", (name, kind)
        carols = admin.get_user_permission("carol", "experiment", "1")
        assert carols.permission == "READ"


@pytest.mark.slow
def test_a_backup_holds_all_that_the_server_knows(
    team: Team, client: MlflowClient, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert team.user("ann", new_folder).does("train", *SMALL, *KEPT).code == 0
    (run,) = trainings(client, "kept")
    backup = new_folder / "backup"
    backup.mkdir()
    type_in(block("backup"), team.server, backup)  # while it is up
    with prepared_server() as processes:
        processes.start_database()
        type_in(block("restore"), processes.server, backup)
        processes.start()
        again = Team(processes, team.password)
        for name, value in again.environment(ADMINISTRATOR).items():
            monkeypatch.setenv(name, value)
        there = MlflowClient().get_run(run.info.run_id)
        assert there.data.to_dictionary() == run.data.to_dictionary()
        elsewhere = new_folder / "elsewhere"
        elsewhere.mkdir()
        ann = again.user("ann", elsewhere)
        few = ["--analyses", "calibration", "--episodes", "100"]
        assert ann.does("analyze", "--run_id", run.info.run_id, *few).code == 0
        assert ann.does("train", *SMALL, *KEPT, "--seed", "1").code == 0


def type_in(text: str, server: TeamServer, backup: Path) -> None:
    """Run a block of the page, with other places than the page's."""
    for said, ours in {
        "/srv/mlflow": str(server.folder),
        "/backup": str(backup),
        "--port=5432": f"--port={server.database_port}",
    }.items():
        assert said in text
        text = text.replace(said, ours)
    subprocess.run(["bash", "-euc", text], check=True)
