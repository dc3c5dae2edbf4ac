"""Members of a stack: each has a run of its own, which ends as its training does."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from mlflow.entities import Run

from icl_mlflow.launch.members import train_members
from icl_mlflow.launch.processes import Outcome
from icl_mlflow.launch.stack import train_stack
from icl_mlflow.suite import grid
from icl_mlflow.tracking.run import open_run
from icl_mlflow.tracking.store import Store
from icl_mlflow.training.settings import TrainSettings

TINY = {"train_episodes": 256, "val_episodes": 64, "test_episodes": 64}
SETTINGS = TrainSettings.preset("smoke", **TINY, threads=1)


@contextmanager
def suite(store: Store) -> Iterator[str]:
    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        yield log.run_id


def children(store: Store, parent: str) -> dict[str, Run]:
    """The training runs below a parent, by name."""
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    runs = store.client.search_runs([store.experiment_id], query)
    return {run.info.run_name: run for run in runs}
