"""Many processes start at once on a new database: every run and every row is there.

Eight on sqlite are in tests/tracking/test_at_once.py; here are 8 and 32 on every store.
PostgreSQL needs its programs, and psycopg, which `pip install .[dev]` brings.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import connect
from team_server.postgresql import Cluster, MissingProgramError, free_port, stop
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
    """A cluster of its own on a free port; clients find its password by themselves."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    del folder  # which is closed to whom PostgreSQL runs as, where that is not us
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        Path(place).chmod(0o711)
        cluster = Cluster(
            folder=Path(place, "postgresql"),
            port=free_port(),
            password_file=Path(place, "pgpass"),
        )
        try:
            cluster.create()
        except MissingProgramError as missing:
            pytest.skip(str(missing))
        patch.setenv("PGPASSFILE", str(cluster.password_file))
        process = cluster.start(["-c", "max_connections=300", "-F"])
        try:
            yield cluster.uri
        finally:
            stop(process)


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
