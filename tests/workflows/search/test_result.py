"""The answer of a search names the best trials; without any it says so."""

import pandas as pd
import pytest

pytest.importorskip("optuna", reason="needs the extra search")

from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.result import SearchResult, answered
from icl_mlflow.workflows.search.trials import Trial, table

PLAN = plan_search(TrainSettings.preset("smoke"), "lr=1e-4:1e-2", 2)


def result(trials: pd.DataFrame, best: TrainSettings | None) -> SearchResult:
    row = trials.to_dict("records")[0] if best else {}
    return SearchResult(
        run_id="4f2a", trials=trials, best=best, best_trial=row, ui_link="http://here"
    )


def test_the_answer_has_the_best_trials_and_counts_the_others() -> None:
    trials = table(
        [
            Trial(number=0, cell={"lr": 1e-3}, state="finished", excess_risk=0.01),
            Trial(number=1, cell={"lr": 1e-2}, state="pruned", excess_risk=0.3),
        ]
    )
    found = result(trials, TrainSettings(lr=1e-3))
    told = answered(PLAN, found, "http://best")
    assert "**Answer.** Trial 0: lr=0.001: 0.0100 nats" in told
    assert "Of 2 trials: 1 finished, 1 pruned." in told
    assert "| 0 | lr=0.001 | 0.0100 |" in told
    assert "(http://best)" in told
    assert "trial 0" in found._repr_html_()


def test_a_search_without_a_finished_trial_says_so() -> None:
    none = table([Trial(number=0, cell={"lr": 1.0}, state="failed", excess_risk=None)])
    assert "**Answer.** No trial finished. Of 1 trials" in answered(
        PLAN, result(none, None), ""
    )
