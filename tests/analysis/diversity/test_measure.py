"""Bayes itself in the place of the model, on episodes in and out of the pool."""

import torch
from torch import Tensor

from icl_mlflow.analysis.diversity.measure import (
    INSIDE,
    OUTSIDE,
    measured,
    populations,
    table_of,
)
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import Predictor
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters

POOLED = with_parameters(TASKS["A"], {"pool": 8, "dim": 3})
PRIOR = with_parameters(TASKS["A"], {"dim": 3})


def bayes(task: Task) -> Predictor:
    def answer(x_BND: Tensor, y_BN: Tensor, query_BD: Tensor) -> Tensor:
        labels = torch.zeros(len(query_BD), dtype=torch.int64)
        return task.bayes_logit(
            Episodes(
                context_x_BND=x_BND, context_y_BN=y_BN, query_x_BD=query_BD,
                query_y_B=labels, latents={},
            )
        )  # fmt: skip

    return answer


def test_the_right_bayes_predictor_is_best_in_and_out_of_the_pool() -> None:
    asked = populations(POOLED, 300, 6, seed=0)
    for task, corner, best in ((POOLED, 1.0, INSIDE), (PRIOR, 0.0, OUTSIDE)):
        rows = {row["where"]: row for row in measured(bayes(task), asked, "cpu")}
        assert {row["share"] for row in rows.values()} == {corner}
        assert rows.pop(best)["excess_risk"] == 0.0
        (other,) = rows.values()
        assert other["excess_risk"] == other["other_risk"] > 0.05


def test_a_model_that_guesses_has_not_learned_whatever_it_is_nearer_to() -> None:
    def guess(_x_BND: Tensor, y_BN: Tensor, _query_BD: Tensor) -> Tensor:
        return torch.zeros(len(y_BN))

    asked = populations(POOLED, 300, 6, seed=0)
    assert not any(row["learned"] for row in measured(guess, asked, "cpu"))
    for task in (POOLED, PRIOR):
        assert all(row["learned"] for row in measured(bayes(task), asked, "cpu"))


def test_episodes_in_the_pool_are_those_of_the_task_with_it() -> None:
    inside, outside = populations(POOLED, 50, 6, seed=3)
    own = POOLED.sample(50, 6, seed=3, stream="analysis")
    assert torch.equal(inside.episodes.query_x_BD, own.query_x_BD)
    assert torch.equal(inside.own_B, POOLED.bayes_logit(inside.episodes))
    assert torch.equal(outside.own_B, PRIOR.bayes_logit(outside.episodes))


def test_the_table_is_sorted_whatever_came_first() -> None:
    rows = [
        {"pool": pool, "seed": 0, "step": step, "where": INSIDE}
        for pool in (64, 4)
        for step in (20, 10)
    ]
    table = table_of(rows)
    assert list(table["pool"]) == [4, 4, 64, 64]
    assert list(table["step"]) == [10, 20, 10, 20]
    assert table_of([]).empty
