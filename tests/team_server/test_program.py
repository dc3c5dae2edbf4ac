"""`python -m team_server`, which is `make server`: starts, ends and goes on."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from team_server.postgresql import MissingProgramError, free_port, program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXPORT = re.compile(r"^ *export (\w+)=(.*)$", re.MULTILINE)


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("flask_wtf", reason="the extra server is not installed")
    for name in ("initdb", "openssl"):
        try:
            program(name)
        except MissingProgramError as missing:
            pytest.skip(str(missing))
    with tempfile.TemporaryDirectory(prefix="team-server-") as made:
        Path(made).chmod(0o711)  # for PostgreSQL, if that is another user
        yield Path(made, "server")


@contextmanager
def started(folder: Path, ports: list[str]) -> Iterator[dict[str, str]]:
    """The program, until it is ended; yields what it tells the administrator to set."""
    command = [sys.executable, "-m", "team_server", "--folder", str(folder), *ports]
    with subprocess.Popen(
        [*command, "--workers", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        while "MLFLOW_TRACKING_SERVER_CERT_PATH" not in said:
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()
            said += line
        try:
            yield {name: shlex.split(value)[0] for name, value in EXPORT.findall(said)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode == 0


def asked(variables: dict[str, str], path: str, **body: str) -> requests.Response:
    return requests.post(
        f"{variables['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{path}",
        json=body,
        auth=(
            variables["MLFLOW_TRACKING_USERNAME"],
            variables["MLFLOW_TRACKING_PASSWORD"],
        ),
        verify=variables["MLFLOW_TRACKING_SERVER_CERT_PATH"],
        timeout=30,
    )


def test_it_goes_on_with_what_it_had_and_leaves_no_process(folder: Path) -> None:
    ports = ["--port", str(free_port()), "--database_port", str(free_port())]
    with started(folder, ports) as variables:
        assert asked(variables, "experiments/create", name="mine").ok
    assert processes_of(folder) == []
    with started(folder, ports) as again:
        assert again == variables
        made = asked(again, "experiments/create", name="mine")
        assert made.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert processes_of(folder) == []


@pytest.mark.skipif(os.getuid() != 0, reason="PostgreSQL runs as we do")
def test_a_folder_that_postgresql_cannot_enter_is_refused_in_one_line(
    folder: Path,
) -> None:
    folder.parent.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "team_server", "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"nobody else may enter {folder.parent}" in line


def processes_of(folder: Path) -> list[str]:
    """Command lines with this folder in them or in their variables."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = [(place / what).read_bytes() for what in ("cmdline", "environ")]
        except OSError:  # it has ended
            continue
        if any(str(folder).encode() in one for one in told):
            found.append(told[0].replace(b"\0", b" ").decode(errors="replace"))
    return found
