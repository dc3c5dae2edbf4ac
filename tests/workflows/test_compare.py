"""Two runs are compared on the same episodes, model by model where the seed agrees."""

from typing import Any

import pytest
import torch
from scipy import stats

from icl_mlflow import TASKS, CompareSettings, compare, load_model
from icl_mlflow.escaping import for_markdown
from icl_mlflow.evaluation import evaluation_set, predict, scores
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.variants import VARIANTS


def scored(run_id: str) -> dict[str, float]:
    """A model's scores on the episodes of a comparison, computed here."""
    loaded = load_model(run_id)
    task = type(TASKS["A"])(dim=4)
    episodes = task.sample(500, 8, seed=3, stream="analysis")
    rng = torch.Generator()
    seen = VARIANTS[loaded.settings.variant].on_eval(episodes, rng)
    truth = evaluation_set(task, episodes, seen)
    logit_B = predict(loaded.model, truth.seen)
    return scores(logit_B, truth)


def test_parents_are_paired_by_seed(trained_store: Store, trained_runs: Any) -> None:
    first, second = trained_runs.baseline, trained_runs.no_labels
    settings = CompareSettings(run_1=first, run_2=second, episodes=500, seed=3)
    compared = compare(settings)
    children = zip(
        trained_runs.baseline_seeds, trained_runs.no_labels_seeds, strict=True
    )
    pairs = [(scored(one), scored(other)) for one, other in children]
    for metric in ("accuracy", "excess_risk", "loss"):
        differences = [other[metric] - one[metric] for one, other in pairs]
        expected = stats.ttest_1samp(differences, 0)
        (row,) = compared.table[compared.table["metric"] == metric].to_dict("records")
        assert row["difference"] == pytest.approx(sum(differences) / 2)
        assert (row["low"], row["high"]) == pytest.approx(
            (min(differences), max(differences))
        )
        assert row["p"] == pytest.approx(expected.pvalue)
        shown = compared.pairs.loc[compared.pairs["metric"] == metric, "difference"]
        assert list(shown) == pytest.approx(differences)
    run = trained_store.client.get_run(compared.run_id)
    assert run.info.status == "FINISHED"
    alone = {k: v for k, v in compared.numbers.items() if k.count("/") == 1}
    assert run.data.metrics == pytest.approx(alone)
    assert run.data.tags["source_run_ids"] == f"{first},{second}"
    sources = [trained_store.client.get_run(run_id) for run_id in (first, second)]
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("**Answer.** ")
    assert for_markdown(compared.verdict) in note
    assert all(run_id in note for run_id in (first, second))
    assert all("analysis_run_id" not in source.data.tags for source in sources)


def test_a_model_is_no_better_than_itself(
    trained_store: Store, trained_runs: Any
) -> None:
    del trained_store
    run_id = trained_runs.baseline_seeds[0]
    same = "models:/icl-A-baseline/1"
    compared = compare(CompareSettings(run_1=run_id, run_2=same, episodes=100))
    assert (compared.table["difference"] == 0).all()
    assert "is as good as" in compared.verdict
