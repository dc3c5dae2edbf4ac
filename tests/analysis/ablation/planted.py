"""Suites of runs whose effects are planted, and what is said of them."""

import functools
import math

import numpy as np
import pandas as pd
import torch

from icl_mlflow.analysis.ablation.effects import measure
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.estimators.ceilings import Ceiling, Ceilings
from icl_mlflow.training.results import MemberResult

EPISODES = 40


BEST = Ceiling(accuracy=0.79, loss=0.45, kind="exact", why="all is seen")


NOTHING = Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why="nothing is seen")


def both(ceiling: Ceiling, beyond: float = 0.0) -> Ceilings:
    """Ceilings of episodes of which Bayes knows nothing (log-odds 0).

    An ideal learner of the training answers with ``beyond`` nats of excess risk.
    """
    return Ceilings(
        shown=ceiling,
        ideal=ceiling,
        shown_B=torch.zeros(EPISODES, dtype=torch.float64),
        ideal_B=torch.full((EPISODES,), logit_of(beyond), dtype=torch.float64),
    )


def logit_of(risk: float) -> float:
    """Where Bayes knows nothing (log-odds 0), a logit l costs log cosh(l / 2)."""
    return 2 * math.acosh(math.exp(risk))


FULL, CHANCE = both(BEST), both(NOTHING)


@functools.cache
def learned(seed: int, *, took_off: bool, falling: bool = False) -> pd.DataFrame:
    risk = [0.2, 0.15, 0.1, 0.07, 0.05, 0.035, 0.025, 0.018]
    return pd.DataFrame(
        {
            "epoch": range(8),
            "val/loss": [0.69, *[0.5 if took_off else 0.69] * 7],
            "val/loss_standard_error": [0.006] * 8,
            "val/excess_risk": risk if falling else [0.2, *[0.02] * 7],
            "train/accuracy": [0.5, *[0.76] * 7],
            "val/accuracy": [0.5, *[0.7 + 0.01 * seed] * 7],
        }
    )


def member(
    variant: str,
    seed: int,
    risk: float,
    *,
    took_off: bool = True,
    falling: bool = False,
    bayes: float = 0.0,
) -> MemberResult:
    """A run whose mean excess risk is ``risk``, where Bayes knows nothing."""
    rng = np.random.default_rng(seed)
    return MemberResult(
        run_id=f"{variant}-{seed}",
        variant=variant,
        seed=seed,
        history=learned(seed, took_off=took_off, falling=falling),
        logit_B=np.full(EPISODES, logit_of(risk)) * rng.choice([-1.0, 1.0], EPISODES),
        bayes_B=np.full(EPISODES, bayes),
        label_B=np.arange(EPISODES) % 2 * 1.0,
    )


def pair(name: str, gaps: list[float], *, took_off: bool = True) -> list[MemberResult]:
    base = [member("baseline", s, 0.1) for s in range(len(gaps))]
    ours = [member(name, s, 0.1 + g, took_off=took_off) for s, g in enumerate(gaps)]
    return base + ours


def verdict_of(
    members: list[MemberResult], name: str, ceilings: Ceilings = FULL
) -> tuple[str, str]:
    table = with_verdicts(measure(members, {"baseline": FULL, name: ceilings}))
    row = table.set_index("variant").loc[name]
    return row["verdict"], row["sentence"]
