"""A trial survives the study's memory; the table has a row for each."""

import json
import math

from icl_mlflow.workflows.search.trials import Trial, attributes, table

DONE = Trial(
    number=0, cell={"lr": 1e-3, "batch_size": 16}, state="finished", excess_risk=0.1,
    run_id="4f2a", model_uri="models:/icl-A-baseline/1",
)  # fmt: skip
FAILED = Trial(number=1, cell={"lr": 1.0}, state="failed", excess_risk=None, why="it")


def test_a_trial_is_kept_as_json() -> None:
    for trial in (DONE, FAILED):
        assert Trial(**json.loads(json.dumps(attributes(trial)))) == trial


def test_the_table_has_what_each_trial_took_and_reached() -> None:
    rows = table([DONE, FAILED]).to_dict("records")
    assert [row["cell"] for row in rows] == ["lr=0.001 batch_size=16", "lr=1"]
    assert rows[0]["excess_risk"] == 0.1
    assert math.isnan(rows[1]["excess_risk"])
    assert rows[1]["why"] == "it"
