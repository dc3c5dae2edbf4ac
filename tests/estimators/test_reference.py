"""The task's own rules reach what was measured on 100 000 episodes of the paper's size.

Measured: mean excess risk in nats and its standard error, on the stream ``test``.
"""

import math
from dataclasses import replace

import pytest
import torch

from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.reference import BAYES, ORACLE, PLUG_IN
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.evaluation import excess_risk
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters

N_EPISODES = 10_000


@pytest.mark.parametrize(
    ("task_name", "name", "is_calibrated", "measured", "error"),
    [
        ("A", "plug_in", True, 4.912e-4, 4.9e-6),
        ("A", "lda_known_distance", True, 1.4687e-3, 1.15e-5),
        ("B", "plug_in", False, 6.254e-4, 5.5e-6),
    ],
)
def test_excess_risk_at_the_papers_size(
    task_name: str, name: str, is_calibrated: bool, measured: float, error: float
) -> None:
    task, estimator = TASKS[task_name], ESTIMATORS[name]
    if is_calibrated:
        estimator = Calibrated(estimator)
    episodes = task.sample(N_EPISODES, 32, stream="another test")
    bayes_B = estimate(BAYES, task, episodes)
    excess_B = excess_risk(estimate(estimator, task, episodes), bayes_B)
    own_error = float(excess_B.std()) / math.sqrt(N_EPISODES)
    assert float(excess_B.mean()) == pytest.approx(
        measured, abs=3 * math.hypot(error, own_error)
    )


def test_bayes_and_oracle_are_the_tasks_own() -> None:
    for task in TASKS.values():
        episodes = task.sample(10, 8)
        assert torch.equal(BAYES(task, episodes), task.bayes_logit(episodes))
        assert torch.equal(ORACLE(task, episodes), task.oracle_llr(episodes))


@pytest.mark.parametrize(
    "task_name",
    [n for n, t in TASKS.items() if type(t).plug_in_logit is not Task.plug_in_logit],
)
def test_with_much_context_the_plug_in_becomes_the_oracle(task_name: str) -> None:
    task = TASKS[task_name]
    episodes = task.sample(50, 20_000)
    gap_B = PLUG_IN(task, episodes) - ORACLE(task, episodes)
    few_B = PLUG_IN(task, episodes.first(32)) - ORACLE(task, episodes)
    assert float(gap_B.square().mean().sqrt()) < 0.1
    assert float(gap_B.square().mean()) < float(few_B.square().mean()) / 100


def test_a_shift_known_to_be_zero_is_not_estimated() -> None:
    task = with_parameters(TASKS["A"], {"tau": 0.0})
    episodes = task.sample(50, 8)
    # A point and its mirror image with the other label say the same about mu.
    flip_N = torch.arange(8) % 2
    mirrored = replace(
        episodes,
        context_x_BND=episodes.context_x_BND * (1 - 2 * flip_N)[:, None],
        context_y_BN=(episodes.context_y_BN + flip_N) % 2,
    )
    torch.testing.assert_close(PLUG_IN(task, mirrored), PLUG_IN(task, episodes))


def test_the_plug_in_stays_in_the_range_of_sigma() -> None:
    task = TASKS["B"]
    episodes = task.sample(50, 8)
    huge = replace(episodes, context_x_BND=1e3 * episodes.context_x_BND)
    assert (PLUG_IN(task, huge) == 0).all()  # both sigmas at 3
