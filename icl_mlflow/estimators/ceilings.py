"""How well could any learner do with what is left of a context?

A ceiling is what the exact posterior of the query's label, given all that is seen,
reaches on the evaluation episodes: its mean max(p, 1 - p) and its mean entropy. No
predictor has a higher accuracy or a lower log-loss in expectation. Where nothing is
lost (order, positions and frozen weights change what a model can do, not what it is
shown; label noise in training alone changes neither), that is the exact Bayes
predictor. What corrupted labels leave at the paper's size (4 000 test episodes of 32
points in 16 dimensions; standard errors .001 to .003):

    labels              A: accuracy, nats    B: accuracy, nats
    as drawn                .789  .448           .838  .302
    flipped, rate .1        .773  .472           .836  .305
    flipped, rate .2        .751  .504           .831  .310
    flipped, rate .4        .625  .639           .722  .494
    shuffled                .545  .682           .704  .459
    none                    .500  .693           .500  .693
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.special import entr

from icl_mlflow.episodes import Episodes
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task, knows_corrupted_labels
from icl_mlflow.tasks.labels import KnownLabels, nothing_known
from icl_mlflow.variants.base import Intervention, Variant
from icl_mlflow.variants.compose import reads_labels

#: Episodes that a posterior without closed form is computed on: seconds of work.
_INTEGRATED_EPISODES = 1_000


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The best that any learner can reach on average.

    Attributes:
        accuracy: in [0, 1]; NaN where unknown.
        loss: log-loss, in nats; NaN where unknown.
        kind: ``exact`` from a posterior in closed form, ``estimate`` from one that is
            integrated numerically, on the first episodes only, or ``unknown``.
        why: one sentence.
    """

    accuracy: float
    loss: float
    kind: Literal["exact", "estimate", "unknown"]
    why: str

    @property
    def is_chance(self) -> bool:
        """Whether guessing is all that any learner can do, proven and not estimated."""
        return self.kind == "exact" and self.loss >= math.log(2)


#: A task, and evaluation episodes as they are seen, to what is possible on them.
CeilingRule = Callable[[Task, Episodes], Ceiling]


def clean(task: Task, seen: Episodes) -> Ceiling:
    """All of the context is there: exact Bayes, whatever the order of its points."""
    logit_B = task.bayes_logit(seen)
    return _reached(logit_B, "exact", "the exact Bayes predictor of the whole context")


def unknown(task: Task, seen: Episodes) -> Ceiling:
    """The task does not know its posterior once labels are hidden."""
    del task, seen
    why = "the task does not have the posterior given corrupted labels"
    return Ceiling(accuracy=math.nan, loss=math.nan, kind="unknown", why=why)


def no_labels(task: Task, seen: Episodes) -> Ceiling:
    """Without labels, chance where the classes can be exchanged: exactly 1/2 and ln 2.

    Exchanging the two classes (mu for -mu in task A, sigma_0 for sigma_1 in task B),
    and every label with them, leaves both the prior and all points as they are. So the
    points are as likely with y_q = 1 as with y_q = 0, and the posterior is 1/2.
    """
    if "classes" not in task.symmetries:
        why = "the posterior given the points without their labels"
        return corrupted(nothing_known, why)(task, seen)
    why = "without labels, exchanging the classes changes nothing that is seen"
    return Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why=why)


def untaught(task: Task, seen: Episodes) -> Ceiling:
    """Training labels are pure noise: chance on clean labels too.

    This bounds what training can teach, not what the evaluation episodes tell: the
    posterior of a training query given its context is 1/2, whatever the context.
    """
    del task, seen
    why = "the training labels are pure noise: they teach nothing of the clean ones"
    return Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why=why)


def taught_backwards(task: Task, seen: Episodes) -> Ceiling:
    """Training labels are wrong more often than not: clean labels are then misread."""
    why = (
        "exact Bayes on clean labels, but most training labels are wrong: a model that "
        "learns to read those reads clean ones backwards and stays below chance"
    )
    return replace(clean(task, seen), why=why)


def corrupted(known: Callable[[Episodes], KnownLabels], why: str) -> CeilingRule:
    """Some of the labels are hidden: the posterior given what is known of them.

    Shuffled labels tell how many are 1. Exchanging the classes exchanges the two counts
    as well, so the posterior is 1/2 where they are equal, and only there: else the
    larger cluster of points is likely to be of the class with more labels.

    Args:
        known: what the episodes, as seen, tell of the labels as drawn.
        why: one sentence.
    """

    def ceiling(task: Task, seen: Episodes) -> Ceiling:
        if not knows_corrupted_labels(task):
            return unknown(task, seen)
        part = seen.rows(0, _INTEGRATED_EPISODES)
        rng = generator(0, "ceiling", device=part.query_x_BD.device)
        logit_B = task.corrupted_bayes_logit(part, known(part), rng)
        return _reached(logit_B, "estimate", why)

    return ceiling


def of_variant(variant: Variant) -> CeilingRule:
    """The rule for what a variant shows at evaluation, and teaches in training."""
    if not reads_labels(variant.embedding):
        return no_labels
    if variant.on_eval.known is None:
        return _taught(variant.on_train)
    why = f"the posterior given the context with {variant.on_eval.does}"
    return corrupted(variant.on_eval.known, why)


def _taught(training: Intervention) -> CeilingRule:
    """The rule for clean evaluation episodes, by how training shows a label of 1."""
    if training.known is None:
        return clean
    one = Episodes(
        context_x_BND=torch.zeros(1, 1, 1),
        context_y_BN=torch.ones(1, 1, dtype=torch.int64),
        query_x_BD=torch.zeros(1, 1),
        query_y_B=torch.ones(1, dtype=torch.int64),
        latents={},
    )
    shown = training.known(one)
    log_odds = float(shown.log_odds_BN)
    if log_odds < 0:
        return taught_backwards
    return clean if log_odds > 0 or shown.ones_B is not None else untaught


def _reached(logit_B: Tensor, kind: Literal["exact", "estimate"], why: str) -> Ceiling:
    """What a posterior reaches in expectation, labels drawn from it."""
    p_B, q_B = logit_B.sigmoid(), (-logit_B).sigmoid()
    return Ceiling(
        accuracy=float(p_B.maximum(q_B).mean()),
        loss=float((entr(p_B) + entr(q_B)).mean()),
        kind=kind,
        why=why,
    )
