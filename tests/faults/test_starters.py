"""Many processes start at once on a new database: every run and every row is there.

Eight on sqlite are in tests/tracking/test_at_once.py; here are 8 and 32 on every store.
PostgreSQL needs its programs, and psycopg, which `pip install .[dev]` brings.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import connect
from tests.faults.ledger import Tally
from tests.server import Server

ROWS = 25

#: Forked after the slow imports, so that all of them really meet in the store.
STARTERS = """
import os, sys, traceback
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect

def work(number):
    with open_run(connect("together"), name=f"run{number}", kind="train",
                  params={"number": number}, tags={}, description="") as log:
        for step in range(int(sys.argv[2])):
            log.metrics({"loss": 1 / (step + 1)}, step=step)

children = []
for number in range(int(sys.argv[1])):
    children.append(os.fork())
    if children[-1] == 0:
        code = 1
        try:
            work(number)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
assert not any(os.waitpid(child, 0)[1] for child in children)
"""


@contextmanager
def on_sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/new.db"


@contextmanager
def on_a_server(folder: Path) -> Iterator[str]:
    """A server over a database of its own, which is new as well."""
    server = Server(folder)
    try:
        server.start()
        yield server.uri
    finally:
        server.end()


@contextmanager
def on_postgresql(folder: Path) -> Iterator[str]:
    """A cluster of its own on a free port, run by somebody who is not root."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    for program in ("initdb", "postgres"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    as_user: list[str] = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    cluster = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    if as_user:
        os.chown(cluster, 65534, 65534)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "postgres.log").open("ab")
    try:
        make = ["initdb", "-D", str(cluster), "-U", "icl", "-A", "trust", "--no-sync"]
        subprocess.run([*as_user, *make], check=True, stdout=log, stderr=log, cwd="/")
        command = ["postgres", "-D", str(cluster), "-p", str(port), "-k", str(cluster)]
        command += ["-h", "127.0.0.1", "-c", "max_connections=300", "-F"]
        server = subprocess.Popen([*as_user, *command], stdout=log, stderr=log, cwd="/")
        try:
            wait_for(lambda: accepts(port))
            yield f"postgresql+psycopg://icl@127.0.0.1:{port}/postgres"
        finally:
            # Fast: what SIGTERM asks for waits for clients, of which we are one.
            server.send_signal(signal.SIGINT)
            server.wait(60)
    finally:
        log.close()
        shutil.rmtree(cluster)


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


STORES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "sqlite": on_sqlite,
    "server": on_a_server,
    "postgresql": on_postgresql,
}


@pytest.mark.slow
@pytest.mark.parametrize("starters", [8, 32])
@pytest.mark.parametrize("name", STORES)
def test_all_runs_and_rows_are_there(
    new_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tally: Callable[..., Tally],
    name: str,
    starters: int,
) -> None:
    counts = tally(f"{starters} processes start at once on {name}", asked=starters)
    with STORES[name](new_folder) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        done = subprocess.run(
            [sys.executable, "-c", STARTERS, str(starters), str(ROWS)],
            check=False,
            capture_output=True,
            text=True,
        )
        store = connect("together")
        runs = store.client.search_runs([store.experiment_id])
        rows = [
            (run.info.run_name, point.step)
            for run in runs
            for point in store.client.get_metric_history(run.info.run_id, "loss")
        ]
    wanted = {f"run{number}" for number in range(starters)}
    names = {run.info.run_name for run in runs}
    counts.done = len(names & wanted)
    counts.also = {"runs": len(runs), "rows": len(rows)}
    counts.lost = len(wanted - names) + starters * ROWS - len(set(rows))
    counts.twice = len(runs) - len(names) + len(rows) - len(set(rows))
    counts.wrong = sum(run.info.status != "FINISHED" for run in runs)
    assert done.returncode == 0, done.stderr
    counts.assert_clean()
