"""Measure models of finite pools: their distances to both Bayes predictors."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from icl_mlflow.analysis.diversity.strategy import strategy
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import Predictor, excess_risk, predict
from icl_mlflow.tasks.base import Task, with_parameters

#: Where episodes come from: one of the pool, or any that the prior can draw.
INSIDE, OUTSIDE = "in the pool", "out of the pool"


@dataclass(frozen=True, kw_only=True)
class Population:
    """Episodes, and what both Bayes predictors answer to them.

    Attributes:
        where: `INSIDE` or `OUTSIDE`.
        episodes: as drawn.
        pool_B, prior_B: log-odds under the pool and under the prior, float64, nats.
        guess: the log-odds of whoever knows only how frequent the classes are.
    """

    where: str
    episodes: Episodes
    pool_B: Tensor
    prior_B: Tensor
    guess: float

    @property
    def own_B(self) -> Tensor:
        """The log-odds of Bayes that knows where the episodes come from."""
        return self.pool_B if self.where == INSIDE else self.prior_B


def populations(
    task: Task, n_episodes: int, n_context: int, seed: int
) -> tuple[Population, Population]:
    """Episodes in and out of the pool of a task.

    Args:
        task: with a pool.
        n_episodes: of each.
        n_context: context points of each.
        seed: of the draw.
    """
    prior = with_parameters(task, {"pool": 0})
    found = []
    for where, drawn_from in ((INSIDE, task), (OUTSIDE, prior)):
        episodes = drawn_from.sample(n_episodes, n_context, seed=seed, stream=STREAM)
        found.append(
            Population(
                where=where,
                episodes=episodes,
                pool_B=task.bayes_logit(episodes),
                prior_B=prior.bayes_logit(episodes),
                guess=math.log(task.base_rate / (1 - task.base_rate)),
            )
        )
    inside, outside = found
    return inside, outside


def measured(
    predictor: Predictor, asked: Iterable[Population], device: torch.device | str
) -> list[dict[str, object]]:
    """One row a population: the columns of `strategy`, excess risks and ``learned``.

    ``excess_risk`` is the model's over Bayes that knows where the episodes come from,
    ``other_risk`` that of the other Bayes predictor, nats. A model has ``learned`` that
    is at most half as far from the nearer of the two as guessing is: before, it is like
    neither of them.
    """
    rows: list[dict[str, object]] = []
    for one in asked:
        logit_B = predict(predictor, one.episodes.to(device))
        other_B = one.prior_B if one.where == INSIDE else one.pool_B
        found = strategy(logit_B, one.pool_B, one.prior_B)
        guess_B = torch.full_like(logit_B, one.guess)
        guess = strategy(guess_B, one.pool_B, one.prior_B)
        near, far = (min(each["to_pool"], each["to_prior"]) for each in (found, guess))
        rows.append(
            {
                "where": one.where,
                **found,
                "excess_risk": float(excess_risk(logit_B, one.own_B).mean()),
                "other_risk": float(excess_risk(other_B, one.own_B).mean()),
                "learned": near <= far / 2,
            }
        )
    return rows


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """All rows, by pool, seed, step and where the episodes come from.

    Columns: ``pool``, ``seed``, ``epoch`` (from 0), ``step`` (steps taken by then),
    ``answers`` (that training has asked for by then), and those of `measured`.
    """
    frame = pd.DataFrame(list(rows))
    if frame.empty:
        return frame
    by = ["pool", "seed", "step", "where"]
    return frame.sort_values(by, ignore_index=True)
