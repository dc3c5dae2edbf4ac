"""A suite from Python takes sequences, and reuses what is trained."""

from typing import Any

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store
from tests.conftest import TrainedRuns
from tests.tiny import MOMENT

#: A training of a moment.
SMOKE: dict[str, Any] = {"preset": "smoke", **MOMENT}


def test_a_suite_takes_sequences_and_reuses_what_is_trained(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    suite = icl.ablate(
        task="A",
        variants=["no_labels"],
        seeds=range(2),
        experiment="trained",
        execution=icl.Execution(jobs=1),
        **SMOKE,
    )
    assert list(suite.table["variant"]) == ["baseline", "no_labels"]
    assert set(suite.history["seed"]) == {0, 1}
    assert suite.run_id in repr(suite)
    assert "no_labels" in suite._repr_html_()
    before = {*trained_runs.baseline_seeds, *trained_runs.no_labels_seeds}
    trained = trained_store.client.search_runs(
        [trained_store.experiment_id], "tags.kind = 'train' and tags.task = 'A'"
    )
    assert {run.info.run_id for run in trained} == before
