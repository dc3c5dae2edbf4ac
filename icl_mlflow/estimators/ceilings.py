"""The ceilings of information of a variant: of any learner, and of an ideal one.

Every variant has two ceilings, both of *information*; whether its weights could express
what they allow is another question:

    information shown               the exact posterior of the query's label given all
                                    that is seen at evaluation: no predictor has a
                                    higher accuracy or a lower log-loss in expectation
    ideal learner of this training  the exact posterior under the episodes that training
                                    shows, applied to those of the evaluation: what a
                                    model without any fault would answer

They differ where training shows other episodes than evaluation does, as with label
noise; the first is the exact Bayes predictor where nothing is lost (order, positions
and frozen weights change what a model can do, not what it is shown). At the paper's
size (4 000 test episodes of 32 points in 16 dimensions; standard errors .001 to .003):

    labels at evaluation    A: accuracy, nats    B: accuracy, nats
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
from torch.nn.functional import logsigmoid

from icl_mlflow.episodes import Episodes
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import NotKnownError, Task
from icl_mlflow.tasks.chance import Chance, chance
from icl_mlflow.tasks.labels import KnownLabels, nothing_known
from icl_mlflow.tasks.wrappers.wrapping import FAIR
from icl_mlflow.variants.base import Intervention, Variant
from icl_mlflow.variants.compose import reads_labels

#: Episodes that a posterior without closed form is computed on: seconds of work.
_INTEGRATED_EPISODES = 1_000
#: Two draws that agree on these are no draws: the task integrates without chance.
_PROBED_EPISODES = 4
#: How a ceiling was found.
_Found = Literal["exact", "estimate", "unknown"]
#: What guessing reaches on fair labels.
_FAIR = Chance.of(FAIR)
#: By how much an estimated log-loss must exceed that of guessing to be no better.
_CLEARLY = 0.01


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What one predictor reaches on average.

    Attributes:
        accuracy: in [0, 1]; NaN where unknown.
        loss: log-loss, in nats; NaN where unknown.
        kind: ``exact`` from a posterior in closed form, ``estimate`` from one that is
            integrated numerically, on the first episodes only, or ``unknown``.
        why: one sentence.
        chance: what guessing reaches.
    """

    accuracy: float
    loss: float
    kind: _Found
    why: str
    chance: Chance = _FAIR

    @property
    def is_chance(self) -> bool:
        """Whether it is no better than guessing, proven or far beyond the estimate."""
        reach = 0.0 if self.kind == "exact" else _CLEARLY
        return self.loss >= self.chance.loss + reach


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Both ceilings of a variant, and the answers behind them.

    Attributes:
        shown: information shown.
        ideal: ideal learner of this training.
        shown_B: log-odds of the first: float64, nats, on the first evaluation episodes;
            None where unknown.
        ideal_B: log-odds of the second, on the same episodes; None where unknown.
    """

    shown: Ceiling
    ideal: Ceiling
    shown_B: Tensor | None
    ideal_B: Tensor | None


@dataclass(frozen=True)
class Reading:
    """How labels are read: an exact posterior for one way of showing them.

    Attributes:
        known: what the episodes, as seen, tell of the labels as drawn; None where they
            tell all.
        why: one sentence.
    """

    known: Callable[[Episodes], KnownLabels] | None
    why: str

    def kind(self, task: Task) -> _Found:
        """How the posterior is found, where it is known."""
        if self.known is None or self._is_even(task):
            return "exact"
        return "estimate"

    def logit(self, task: Task, seen: Episodes) -> Tensor | None:
        """Log-odds of the query's label: (B,) float64 on the CPU, nats.

        Without labels they are exactly 0 where the classes can be exchanged: that (mu
        for -mu in task A, sigma_0 for sigma_1 in task B), and every label with them,
        leaves both the prior and all points as they are. Where some labels are hidden,
        it looks at the first `_INTEGRATED_EPISODES` only. None where unknown.
        """
        if self.known is None:
            return task.bayes_logit(seen).cpu()
        if self._is_even(task):
            return torch.zeros(len(seen), dtype=torch.float64)
        part = seen.rows(0, _INTEGRATED_EPISODES)
        try:
            return hidden_labels_logit(task, part, self.known(part)).cpu()
        except NotKnownError:
            return None

    def _is_even(self, task: Task) -> bool:
        return self.known is nothing_known and "classes" in task.symmetries


WHOLE = Reading(None, why="the exact Bayes predictor of the whole context")
NO_LABELS = Reading(
    nothing_known,
    why="without labels, exchanging the classes changes nothing that is seen",
)
UNTAUGHT = Reading(
    nothing_known,
    why="the training labels are pure noise: they teach nothing of the clean ones",
)


def hidden_labels_logit(task: Task, seen: Episodes, known: KnownLabels) -> Tensor:
    """Log-odds of the query's label when some of the context's are hidden: (B,), nats.

    Where the task integrates by chance, the mean of two independent draws, which halves
    the variance of either.
    """

    def drawn(name: str, n_episodes: int) -> Tensor:
        rng = generator(0, name, device=seen.query_x_BD.device)
        part = seen.rows(0, n_episodes)
        return task.corrupted_bayes_logit(part, known.rows(0, n_episodes), rng)

    probes = [drawn(name, _PROBED_EPISODES) for name in ("ceiling", "ceiling again")]
    first_B = drawn("ceiling", len(seen))
    if torch.equal(*probes):
        return first_B
    return (first_B + drawn("ceiling again", len(seen))) / 2


def readings(variant: Variant) -> tuple[Reading, Reading]:
    """How evaluation shows labels, and how training taught to read them.

    Shuffled labels tell how many are 1. Exchanging the classes exchanges the two counts
    as well, so the posterior is 1/2 where they are equal, and only there: else the
    larger cluster of points is likely to be of the class with more labels.
    """
    if not reads_labels(variant.embedding):
        return NO_LABELS, NO_LABELS
    return _shown(variant.on_eval), _taught(variant.on_train)


def ceilings(task: Task, seen: Episodes, shown: Reading, taught: Reading) -> Ceilings:
    """Both ceilings, of evaluation episodes as they are seen."""
    shown_B = shown.logit(task, seen)
    ideal_B = shown_B if taught.known is shown.known else taught.logit(task, seen)
    if shown_B is None or ideal_B is None:
        unknown = replace(_UNKNOWN, chance=chance(task))
        known = unknown if shown_B is None else _reached(shown_B, shown_B, shown, task)
        return Ceilings(shown=known, ideal=unknown, shown_B=None, ideal_B=None)
    n_both = min(len(shown_B), len(ideal_B))
    shown_B, ideal_B = shown_B[:n_both], ideal_B[:n_both]
    return Ceilings(
        shown=_reached(shown_B, shown_B, shown, task),
        ideal=_reached(ideal_B, shown_B, taught, task),
        shown_B=shown_B,
        ideal_B=ideal_B,
    )


_UNKNOWN = Ceiling(
    accuracy=math.nan,
    loss=math.nan,
    kind="unknown",
    why="the task does not have the posterior given corrupted labels",
)


def _shown(evaluation: Intervention) -> Reading:
    if evaluation.known is None:
        return WHOLE
    why = f"the posterior given the context with {evaluation.does}"
    return Reading(evaluation.known, why=why)


def _taught(training: Intervention) -> Reading:
    if training.known is None:
        return WHOLE
    one = Episodes(
        context_x_BND=torch.zeros(1, 1, 1),
        context_y_BN=torch.ones(1, 1, dtype=torch.int64),
        query_x_BD=torch.zeros(1, 1),
        query_y_B=torch.ones(1, dtype=torch.int64),
        latents={},
    )
    label = training.known(one)
    if label.ones_B is None and float(label.log_odds_BN) == 0:
        return UNTAUGHT
    why = f"it reads the context as one with {training.does}"
    if float(label.log_odds_BN) < 0:
        why += ", so it reads clean labels backwards and stays below chance"
    return Reading(training.known, why=why)


def _reached(logit_B: Tensor, truth_B: Tensor, reading: Reading, task: Task) -> Ceiling:
    """What log-odds reach in expectation, labels drawn from the posterior ``truth``."""
    p_B, q_B = truth_B.sigmoid(), (-truth_B).sigmoid()
    loss_B = -p_B * logsigmoid(logit_B) - q_B * logsigmoid(-logit_B)
    # A logit of 0 is right half of the time, whichever side it is put on.
    right_B = torch.where(logit_B > 0, p_B, q_B)
    right_B = torch.where(logit_B == 0, torch.full_like(p_B, 0.5), right_B)
    return Ceiling(
        accuracy=float(right_B.mean()),
        loss=float(loss_B.mean()),
        kind=reading.kind(task),
        why=reading.why,
        chance=chance(task),
    )
