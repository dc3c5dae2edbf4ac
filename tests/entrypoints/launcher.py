"""`mlflow run` as people type it, from any folder, with the `mlflow` of these tests."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Run

from icl_mlflow.tracking.store.connection import Store
from tests.git import git

ROOT = Path(__file__).parents[2]

#: Where programs are looked for, first among those of these tests.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def mlflow_run(
    entry_point: str,
    *parameters: str,
    project: str = str(ROOT),
    options: Sequence[str] = (),
    manager: str = "local",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """An entry point with these `-P`, to its end; where it has no name, `main`."""
    command = [sys.executable, "-m", "mlflow", "run", project, *options]
    command += ["-e", entry_point] if entry_point else []
    command += ["--env-manager", manager] if manager else []
    for parameter in parameters:
        command += ["-P", parameter]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PATH, "OMP_NUM_THREADS": "1", **(environment or {})},
        check=False,
    )


def copy_project(folder: Path) -> None:
    """What git knows of this project, and what is new and not ignored."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def runs(store: Store) -> list[Run]:
    """All runs of the store, newest first."""
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    return list(store.client.search_runs(experiments))
