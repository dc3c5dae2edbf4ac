"""A command as a piece of work, and the question that a suite asks first."""

import subprocess
from collections.abc import Sequence

from benchmarks.speed.timing import Meter
from icl_mlflow.tracking.runs.results import finished_runs
from icl_mlflow.tracking.store.connection import connect


def command(arguments: Sequence[str], meter: Meter, *, code: int = 0) -> None:
    """A command runs in a process of its own, which is waited for.

    Raises:
        RuntimeError: its exit code is not ``code``; the message holds its errors.
    """

    def piece() -> None:
        done = subprocess.run(
            arguments,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != code:
            raise RuntimeError(f"exit code {done.returncode}:\n{done.stderr}")

    meter.repeat(piece)


def look_up(n_runs: int, n_members: int, meter: Meter) -> None:
    """Which members of a suite have finished, among the runs of a store?

    The store is that of the environment. Its runs are made first; as many are of the
    members that are asked for as there are members.
    """
    store = connect("benchmark")
    for index in range(n_runs):
        tags = {"kind": "train", "settings_hash": f"identity {index}"}
        run = store.client.create_run(store.experiment_id, tags=tags)
        store.client.set_terminated(run.info.run_id)
    members = [f"identity {index}" for index in range(n_members)]
    if len(finished_runs(store, members)) != n_members:
        raise RuntimeError("members that have finished are not found")
    meter.repeat(lambda: finished_runs(store, members))
