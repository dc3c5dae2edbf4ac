"""A PostgreSQL cluster in a folder, for programs here that know its password.

PostgreSQL refuses to run as root; there, it runs as nobody.
"""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROLE = DATABASE = "mlflow"

_NOBODY = 65534
#: Seconds that a start, with the recovery after a crash, and an end may take.
_START, _END = 120.0, 60.0


class MissingProgramError(Exception):
    """A program that is needed is not on this machine; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster with one database.

    Attributes:
        folder: of the data, which other users may not look into, and of its log.
        port: on 127.0.0.1.
        password_file: in the form that PGPASSFILE names: for clients.
    """

    folder: Path
    port: int
    password_file: Path

    @property
    def uri(self) -> str:
        """Of the database, for SQLAlchemy; the password is in the file."""
        return f"postgresql+psycopg://{ROLE}@127.0.0.1:{self.port}/{DATABASE}"

    def create(self) -> None:
        """Make the cluster, with a new password.

        Raises:
            MissingProgramError: PostgreSQL is not here.
            RuntimeError: the folder is no place for it.
        """
        program("initdb")
        if _is_root():
            _check_open(self.folder.parent)
        self.folder.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        write_secret(self.password_file, f"127.0.0.1:*:*:{ROLE}:{password}\n")
        first = self.folder / "password"  # is read by who may not read ours
        write_secret(first, password)
        if _is_root():
            for path in (self.folder, first):
                os.chown(path, _NOBODY, _NOBODY)
        self._run(
            "initdb", "-D", f"{self._data}", "-U", ROLE, "-A", "scram-sha-256",
            f"--pwfile={first}", "--encoding=UTF8", "--locale=C",
        )  # fmt: skip
        first.unlink()

    def start(self, options: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start it, and wait until it takes connections and has the database.

        Args:
            options: further ones of ``postgres``.
        """
        command = ["postgres", "-D", f"{self._data}", "-p", f"{self.port}"]
        command += ["-h", "127.0.0.1", "-c", "unix_socket_directories=", *options]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*_as_user(), program(command[0]), *command[1:]],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        until = time.monotonic() + _START
        while not self._accepts():
            if process.poll() is not None or time.monotonic() > until:
                stop(process)
                raise RuntimeError(f"PostgreSQL did not start; see {self.folder}/log")
            time.sleep(0.1)
        self._ensure_database()
        return process

    def environment(self) -> dict[str, str]:
        """What clients of PostgreSQL need to know."""
        return {"PGPASSFILE": str(self.password_file)}

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _accepts(self) -> bool:
        ask = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", f"{self.port}"]
        return subprocess.run(ask, check=False).returncode == 0

    def _ensure_database(self) -> None:
        known = self._client("psql", "-l", "-A", "-t", "-q", "postgres")
        if not any(line.startswith(f"{DATABASE}|") for line in known.splitlines()):
            self._client("createdb", DATABASE)

    def _client(self, name: str, *arguments: str) -> str:
        where = ["-h", "127.0.0.1", "-p", f"{self.port}", "-U", ROLE, "-w"]
        return subprocess.run(
            [program(name), *where, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment()},
        ).stdout

    def _run(self, name: str, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            subprocess.run(
                [*_as_user(), program(name), *arguments],
                check=True,
                stdout=log,
                stderr=log,
                cwd="/",
            )


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End PostgreSQL: fast, for what SIGTERM asks for waits for every client."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_secret(file: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123 -- Path.open takes no descriptor
        out.write(text)


def program(name: str) -> str:
    """Where a program is; PostgreSQL's own are often in no folder of PATH.

    Raises:
        MissingProgramError: it is nowhere.
    """
    if found := shutil.which(name):
        return found
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise MissingProgramError(f"{name} is not on this machine")
    return str(newest)


def _check_open(folder: Path) -> None:
    """Refuse a folder that PostgreSQL could not get to as another user."""
    for one in (folder, *folder.parents):
        if not one.stat().st_mode & stat.S_IXOTH:
            raise RuntimeError(
                "PostgreSQL does not run as root, and nobody else may enter "
                f"{one}; be another user, or choose another --folder"
            )


def _is_root() -> bool:
    return os.getuid() == 0


def _as_user() -> list[str]:
    if not _is_root():
        return []
    return [
        *(program("setpriv"), f"--reuid={_NOBODY}", f"--regid={_NOBODY}"),
        "--clear-groups",
    ]
