"""Processes that start, log and register at the same moment lose nothing."""

import re
import subprocess
import sys
from pathlib import Path

from icl_mlflow.tracking.store.connection import connect

# Forked after the slow imports, so that all eight really meet in the store.
EIGHT = """
import os
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings

def work(number):
    settings = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2, seed=number)
    store = connect("together")
    with open_run(store, name=f"run{number}", kind="train", params={"lr": 1}, tags={},
                  description="") as log:
        log.metrics({"loss": 0.5}, step=0)
        risk = abs(number - 3.5) + number / 100
        log.model(initial_model(settings), settings, {"val/excess_risk": risk})

children = []
for number in range(8):
    children.append(os.fork())
    if children[-1] == 0:
        work(number)
        os._exit(0)
assert not any(os.waitpid(child, 0)[1] for child in children)
"""


def test_eight_processes_start_and_register_at_once_on_a_new_database(
    new_folder: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EIGHT], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    client = connect("together").client
    runs = client.search_runs([connect("together").experiment_id])
    assert sorted(run.info.run_name for run in runs) == [f"run{i}" for i in range(8)]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.metrics == {"loss": 0.5}

    versions = client.search_model_versions("name='icl-A-baseline'")
    assert sorted(int(v.version) for v in versions) == list(range(1, 9))
    assert {v.run_id for v in versions} == {run.info.run_id for run in runs}
    lowest = min(versions, key=lambda v: float(v.tags["val/excess_risk"]))
    best = client.get_model_version_by_alias("icl-A-baseline", "best")
    assert best.version == lowest.version
    explained = [v for v in versions if "Why this version is `best`" in v.description]
    assert [v.version for v in explained] == [lowest.version]
    card = client.get_registered_model("icl-A-baseline").description
    for version in versions:
        uri = f"models:/icl-A-baseline/{version.version}"
        assert f'icl.load_model("{uri}")' in version.description
        assert re.search(rf"\| {version.version}( `best`)?&emsp; \|", card)

    assert {f.name for f in new_folder.iterdir()} == {"mlflow.db", "mlruns"}
