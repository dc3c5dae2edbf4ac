"""Any predictor is judged as a model is."""

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.score import Score

FEW: dict[str, Any] = {"episodes": 300, "n_context": 8, "dim": 3, "quiet": True}


@pytest.fixture(scope="module")
def bayes() -> Score:
    task = icl.TASKS["A"].__class__(dim=3)
    return icl.score(
        icl.bayes(task), ["scoreboard", "symmetry", "context_length"], **FEW
    )


def test_exact_bayes_has_no_excess_risk_at_any_length(bayes: Score) -> None:
    assert bayes.numbers["scoreboard/excess_risk"] == 0
    lengths = bayes.frames["context_length"]
    of_model = lengths[lengths["predictor"] == "model"]
    assert of_model["n_context"].tolist() == [0, 1, 2, 4, 6, 8]
    assert of_model["excess_risk"].abs().max() < 1e-12
    assert bayes.run_id == ""
    assert bayes.verdicts["scoreboard"].startswith("Yes")


def test_a_figure_is_drawn_of_every_question(bayes: Score) -> None:
    for name in bayes.verdicts:
        assert bayes.figure(name).axes


def test_a_classifier_is_judged_by_its_excess_risk() -> None:
    found = icl.score(LogisticRegression(C=0.1), "scoreboard", task="B", **FEW)
    assert found.numbers["scoreboard/excess_risk"] > 0.01
    assert "LogisticRegression" in repr(found)


def test_what_looks_inside_is_refused_by_name_and_left_out_by_default() -> None:
    with pytest.raises(
        ValueError, match=r"logit_lens cannot be asked of guess: .*not a"
    ):
        icl.score(lambda *seen: seen[2][:, 0] * 0, "logit_lens", name="guess", **FEW)
    found = icl.score(lambda *seen: seen[2][:, 0] * 0, "all", task="B", **FEW)
    assert {"scoreboard", "symmetry", "identification"} <= found.verdicts.keys()
    refused = {refusal.analysis for refusal in found.refusals}
    assert {"logit_lens", "component_ablation"} <= refused
    assert refused.isdisjoint(found.verdicts)


def test_the_answers_are_a_run_if_asked_for(store: Store) -> None:
    found = icl.score(
        LogisticRegression(), "calibration", log=True, name="logistic", **FEW
    )
    run = store.client.get_run(found.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["kind"] == "analysis"
    assert run.data.tags["source_models"] == "logistic"
    files = {one.path for one in store.client.list_artifacts(found.run_id)}
    assert {"report.html", "tables", "figures"} <= files
    assert found.run_id in found.report_link
