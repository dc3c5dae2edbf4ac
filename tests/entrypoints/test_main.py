"""`mlflow run .`, where no entry point is named: three steps, one link, one run."""

import re

from icl_mlflow.tracking.store.connection import Store
from tests.entrypoints.launcher import mlflow_run, runs
from tests.tiny import PARAMETERS

FEW = ("variants=baseline", "seeds=0", "analyses=calibration")


def test_three_steps_are_cached_and_end_with_one_link(store: Store) -> None:
    """In the experiment and under the name that the command line gives."""
    options = ["--experiment-name", "mine", "--run-name", "whole"]
    done = mlflow_run("", *PARAMETERS, *FEW, options=options)
    assert done.returncode == 0, done.stderr
    (whole,) = [run for run in runs(store) if run.data.tags["kind"] == "pipeline"]
    assert (whole.info.status, whole.info.run_name) == ("FINISHED", "whole")
    experiment = store.client.get_experiment_by_name("mine")
    assert {run.info.experiment_id for run in runs(store)} == {experiment.experiment_id}
    lines = done.stdout.splitlines()
    firsts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert firsts[-6:] == ["train", "ablate", "analyze", "run", "see", "note"]
    (link,) = re.findall(r"http\S+", done.stdout)
    assert whole.info.run_id in link

    before = {run.info.run_id for run in runs(store)}
    again = mlflow_run("", *PARAMETERS, *FEW, options=options)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(", done before") == 3
    (new,) = [run for run in runs(store) if run.info.run_id not in before]
    assert (new.info.status, new.data.tags["kind"]) == ("FINISHED", "pipeline")
