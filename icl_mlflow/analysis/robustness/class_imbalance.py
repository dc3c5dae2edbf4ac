"""Class imbalance: one class is rarer, in the context and for the query.

Every label is 1 with probability r instead of 1/2. Given an episode's latents its
points are independent of each other, so a longer fair episode holds as many points of
each class as are wanted, and choosing among them by label alone leaves their law as it
is, exactly. Labels that are seen carry no more evidence than before: the exact Bayes
predictor that knows r adds log r / (1 - r) to the log-odds of fair labels; the one of
the training prior does not.
"""

import math

import pandas as pd
import torch
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import as_shown
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import predict
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task

_MOST = 1_000
_RATES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
_X = "positive_rate"
#: Standard deviations by which a pool's share of one class may fall short: never.
_SAFETY = 10


def measure(subject: Subject) -> pd.DataFrame:
    """One row per rate and predictor; the columns of `curves.point`."""
    n_episodes = min(_MOST, len(subject.truth))
    rows = []
    for rate in _RATES:
        episodes = imbalanced(
            subject.task,
            rate,
            n_episodes,
            subject.problem.n_context,
            seed=subject.seed,
        )
        fair_B = subject.problem.task.bayes_logit(episodes)
        bayes_B = subject.task.bayes_logit(episodes) + math.log(rate / (1 - rate))
        answers = {
            curves.MODEL: predict(subject.predictor, as_shown(subject, episodes)),
            curves.BAYES: bayes_B,
            curves.TRAINED_BAYES: fair_B,
        }
        rows += curves.point({_X: rate}, answers, bayes_B)
    return pd.DataFrame(rows)


def imbalanced(
    task: Task, rate: float, n_episodes: int, n_context: int, *, seed: int
) -> Episodes:
    """Episodes whose labels, the query's too, are 1 with probability ``rate``."""
    n_points = n_context + 1
    n_pool = 2 * n_points + math.ceil(_SAFETY * math.sqrt(2 * n_points))
    pool = task.sample(n_episodes, n_pool, seed=seed, stream=f"{STREAM} imbalance")
    rng = generator(seed, f"{STREAM} imbalanced labels")
    label_BS = (torch.rand(n_episodes, n_points, generator=rng) < rate).long()
    # The k-th point wanted of a class is the k-th of that class in the pool: sorted by
    # label, zeros lie from 0 on and ones from the number of zeros on.
    by_label_BP = pool.context_y_BN.argsort(dim=1, stable=True)
    n_zeros_B1 = (pool.context_y_BN == 0).sum(1, keepdim=True)
    one_BS, zero_BS = label_BS.cumsum(1) - 1, (1 - label_BS).cumsum(1) - 1
    place_BS = torch.where(label_BS == 1, n_zeros_B1 + one_BS, zero_BS)
    chosen_BS = by_label_BP.gather(1, place_BS.clamp(max=n_pool - 1))
    if not torch.equal(pool.context_y_BN.gather(1, chosen_BS), label_BS):
        raise RuntimeError("a pool of fair labels has too few of one class")
    index_BSD = chosen_BS.unsqueeze(-1).expand(-1, -1, task.dim)
    x_BSD = pool.context_x_BND.gather(1, index_BSD)
    return Episodes.of_points(x_BSD, label_BS, pool.latents)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers of `curves.summarise_curve`."""
    return curves.summarise_curve(frame, _X)


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk against the probability of y = 1."""
    return curves.draw_curves(frame, _X, "probability of y = 1", "linear")


def _beside(frame: pd.DataFrame) -> Figure:
    return curves.draw_beside(frame, _X, "probability of y = 1", "linear")


def _verdict(found: Findings) -> Conclusion:
    unaware = found["training_prior_excess_risk_at_0.9"]
    adapts = found.below("excess_risk_at_0.9", unaware)
    return Conclusion(
        adapts,
        f"where nine labels in ten are 1, the model is "
        f"{found.phrase('excess_risk_at_0.9', 'nats')} above Bayes that knows it, and "
        f"Bayes that believes in fair labels {unaware:.4f}; over all rates, the model "
        f"goes {curves.extremes(found.numbers)}",
    )


CLASS_IMBALANCE = Analysis(
    question="Does the model adapt when one class is rarer than the other?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="excess_risk_at_0.9",
    beside=_beside,
    most_episodes=_MOST,
)
