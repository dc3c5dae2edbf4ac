"""What does a member of a suite cost beside its training, and how does that grow?

    python -m benchmarks.members                       # 1, 4, 16, 64 smoke-size members
    python -m benchmarks.members --engine stacked --write results/members.md

Each row is a suite of seeds in a new sqlite store: a parent run with one child a seed,
each with metrics, figures, tables and a registered model. Overhead is the processor
time of everything, the start of workers included, less that of the training alone. The
store's load is counted in its own tables and files.
"""

import argparse
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from icl_mlflow.suite.engines.process_pool import usable_cores
from icl_mlflow.suite.execution import ENGINES, Execution
from icl_mlflow.suite.request import several_seeds
from icl_mlflow.tracking.runs.results import finished_runs
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.training.fit import fit
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.train import train_seeds

SETTINGS = TrainSettings.preset("smoke", device="cpu", threads=1)
ROWS = ("metrics", "latest_metrics", "params", "tags", "model_version_tags")


@dataclass(frozen=True)
class Row:
    """One suite: seconds on the clock and of processors, and what the store holds."""

    members: int
    clock: float
    processor: float
    rows: int
    database: int
    files: int
    artifacts: int
    search: float


def main() -> None:
    """Measure and print a Markdown table."""
    asked = _arguments()
    training = _training_seconds()
    rows = []
    for members in map(int, asked.members.split(",")):
        rows.append(_suite(members, asked.engine, asked.jobs))
        print(f"{members} members: {rows[-1].clock:.0f} s", flush=True)
    text = _report(rows, training, asked.engine, asked.jobs or usable_cores())
    print(text)
    if asked.write:
        asked.write.write_text(text + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", default="1,4,16,64")
    parser.add_argument("--engine", default="processes", choices=ENGINES[1:])
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--write", type=Path, help="a Markdown file for the table")
    return parser.parse_args()


def _training_seconds() -> float:
    """Processor time of one member's training alone, everything imported."""
    fit(SETTINGS)
    started = time.process_time()
    fit(SETTINGS)
    return time.process_time() - started


def _suite(members: int, engine: str, jobs: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "mlflow.db")
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{database}"
        store = connect("members")
        before, processor = time.perf_counter(), _processor_seconds()
        execution = Execution(jobs=jobs, engine=engine)
        train_seeds(store, several_seeds(SETTINGS, range(members), execution))
        clock = time.perf_counter() - before
        processor = _processor_seconds() - processor
        before = time.perf_counter()
        finished_runs(store, ["none"])
        search = time.perf_counter() - before
        files = [f for f in Path(folder).rglob("*") if f.is_file() and f != database]
        with closing(sqlite3.connect(database)) as opened:
            counts = [
                opened.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608 (names of ours)
                for table in ROWS
            ]
        return Row(
            members=members,
            clock=clock,
            processor=processor,
            rows=sum(counts),
            database=database.stat().st_size,
            files=len(files),
            artifacts=sum(file.stat().st_size for file in files),
            search=search,
        )


def _processor_seconds() -> float:
    """Of this process and of its workers that have ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _report(rows: Sequence[Row], training: float, engine: str, jobs: int) -> str:
    about = (
        f"Smoke-size members, engine `{engine}`, {jobs} at once, sqlite; training "
        f"alone takes {training:.2f} s of processor time a member."
    )
    columns = ["members", "clock s", "processor s", "overhead s a member"]
    columns += ["rows a member", "database KB a member", "files a member"]
    columns += ["MB a member", "search of all runs ms"]
    lines = [about, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        overhead = row.processor / row.members - training
        lines.append(
            f"| {row.members} | {row.clock:.1f} | {row.processor:.1f} | "
            f"{overhead:.2f} | {row.rows / row.members:.0f} | "
            f"{row.database / 1e3 / row.members:.0f} | {row.files / row.members:.0f} | "
            f"{row.artifacts / 1e6 / row.members:.2f} | {1e3 * row.search:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
