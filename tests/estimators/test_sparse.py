"""The sparse discriminant is the posterior mean over all sparse directions."""

import itertools
import math

import numpy as np
import pytest
import torch

from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.sparse import SparseDiscriminant, _posterior_mean
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.evaluation import excess_risk
from icl_mlflow.tasks import TASKS


@pytest.mark.parametrize("nonzero", [1, 2, 4])
def test_the_posterior_mean_is_that_of_all_directions(nonzero: int) -> None:
    rng = np.random.default_rng(0)
    evidence_BD = 3 * rng.standard_normal((5, 4))
    rows = [
        np.bincount(places, signs, minlength=4) / math.sqrt(nonzero)
        for places in itertools.combinations(range(4), nonzero)
        for signs in itertools.product((-1, 1), repeat=nonzero)
    ]
    weight_BP = np.exp(evidence_BD @ np.array(rows).T)
    expected = weight_BP @ np.array(rows) / weight_BP.sum(1, keepdims=True)
    found = _posterior_mean(torch.from_numpy(evidence_BD), nonzero)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_more_coordinates_than_there_are_count_as_all() -> None:
    episodes = TASKS["A"].sample(20, 32)
    torch.testing.assert_close(
        SparseDiscriminant(400)(TASKS["A"], episodes),
        SparseDiscriminant(16)(TASKS["A"], episodes),
    )


def test_it_is_near_bayes_on_task_e_and_chooses_the_number_of_coordinates() -> None:
    task = TASKS["E"]
    tuned = ESTIMATORS["lda_sparse"]
    assert tuned.best(task, 32) == SparseDiscriminant(2)  # type: ignore[attr-defined]
    episodes = task.sample(4_000, 32, stream="another test")
    bayes_B = task.bayes_logit(episodes)
    risks = {
        name: float(
            excess_risk(
                estimate(Calibrated(ESTIMATORS[name]), task, episodes), bayes_B
            ).mean()
        )
        for name in ("lda_sparse", "lda_identity", "plug_in")
    }
    assert risks["lda_sparse"] < 0.01
    assert risks["lda_identity"] > 0.05
    assert risks["lda_sparse"] < risks["plug_in"] < risks["lda_identity"]
