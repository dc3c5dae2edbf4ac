"""`mlflow run` as people type it, from any folder, with the `mlflow` of these tests."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Run

from icl_mlflow.tracking.store.connection import Store

ROOT = Path(__file__).parents[2]


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
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **(environment or {})},
        check=False,
    )


def runs(store: Store) -> list[Run]:
    """All runs of the store, newest first."""
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    return list(store.client.search_runs(experiments))
