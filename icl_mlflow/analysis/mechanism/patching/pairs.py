"""Paired episodes for patching: a target, and a source that differs in one respect.

    label flip      every label of the context is the other one, so exact Bayes' answer
                    changes its sign and nothing else, where the classes are alike;
    query swap      another query, drawn from the same episode as the target's was;
    shift change    the same random numbers under the task's first named shift, such as
                    a shift of three times the size (task A) or wider scales (task B).

Effects are told of the target: by how much the excess risk over its own exact Bayes
predictor rises, in nats.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.episodes import as_shown
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import EvaluationSet, evaluation_set, excess_risk
from icl_mlflow.models import EMBEDDINGS
from icl_mlflow.models.patching.activation import PairedRun
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.variants.compose import reads_labels

#: Points that two runs are kept of at once, and the largest number of pairs of points.
_POINTS = 64 * 33
_PAIRS = 2**21
#: The roles of tokens: by the label of their point, compared with the query's.
ROLES = ("same class", "other class", "query")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Targets and sources that differ in one respect.

    Attributes:
        kind: which.
        targets: as the model is shown them, with their exact answers.
        sources: as the model is shown them, one a target.
    """

    kind: str
    targets: EvaluationSet
    sources: Episodes

    def runs(self, subject: Subject) -> Iterator[tuple[PairedRun, "PairFacts"]]:
        """The model's computation of consecutive pairs, and what is known of them."""
        transformer = transformer_of(subject)
        n_points = self.sources.n_context + 1
        n_at_once = max(1, min(_POINTS, _PAIRS // n_points) // n_points)
        for start in range(0, len(self.sources), n_at_once):
            stop = start + n_at_once
            target = self.targets.seen.rows(start, stop)
            with torch.no_grad():
                run = transformer.paired_run(
                    _asked(target), _asked(self.sources.rows(start, stop))
                )
            bayes_B = self.targets.bayes_B[start:stop]
            embedding = EMBEDDINGS[transformer.architecture.embedding]
            per_point = embedding.n_tokens(1) - 1
            yield run, PairFacts(bayes_B, roles(target, per_point))


@dataclass(frozen=True)
class PairFacts:
    """Of some pairs: exact log-odds of the targets, and their tokens by role."""

    bayes_B: Tensor
    roles: Mapping[str, Tensor]

    def effect(self, patched_B: Tensor, target_B: Tensor) -> Tensor:
        """By how much a patch raises the excess risk of each target: (B,), nats."""
        raised_B = self.risk(patched_B) - self.risk(target_B)
        return raised_B.cpu()

    def risk(self, logit_B: Tensor) -> Tensor:
        """The excess risk over the target's exact Bayes: (B,) float64, nats."""
        return excess_risk(logit_B.double(), self.bayes_B.to(logit_B.device))


def roles(episodes: Episodes, tokens_a_point: int) -> dict[str, Tensor]:
    """Role to the tokens that have it: (B, S), every token once.

    Args:
        episodes: whose labels say so.
        tokens_a_point: 2 where x and y are tokens of their own.
    """
    same_BN = episodes.context_y_BN == episodes.query_y_B.unsqueeze(1)
    same_BN = same_BN.repeat_interleave(tokens_a_point, 1)
    query_B1 = torch.zeros_like(episodes.query_y_B, dtype=torch.bool).unsqueeze(1)
    masks = (
        torch.cat([same_BN, query_B1], 1),
        torch.cat([~same_BN, query_B1], 1),
        torch.cat([torch.zeros_like(same_BN), ~query_B1], 1),
    )
    return dict(zip(ROLES, masks, strict=True))


def pairs_of(subject: Subject, most: int) -> list[Pairs]:
    """The pairs of every kind that the subject can be asked about.

    All kinds have the same targets, ``most`` of them unless the subject has fewer
    episodes of its own.
    """
    n_context = subject.problem.n_context
    drawn = _drawn(subject, subject.task, most)
    episodes = drawn.first(n_context)
    shown = as_shown(subject, episodes)
    targets = evaluation_set(subject.task, episodes, shown)
    found = []
    for kind, source in _KINDS.items():
        sources = source(subject, drawn, shown)
        if sources is not None:
            found.append(Pairs(kind=kind, targets=targets, sources=sources))
    return found


def _drawn(subject: Subject, task: Task, most: int) -> Episodes:
    """Episodes of one point more than the model is shown: it is the other query."""
    n_episodes = min(most, len(subject.truth))
    n_points = subject.problem.n_context + 1
    return task.sample(n_episodes, n_points, seed=subject.seed, stream=STREAM)


def _flipped(subject: Subject, _more: Episodes, shown: Episodes) -> Episodes | None:
    """None for a model that is shown no labels."""
    if not reads_labels(transformer_of(subject).architecture.embedding):
        return None
    return replace(
        shown, context_y_BN=1 - shown.context_y_BN, query_y_B=1 - shown.query_y_B
    )


def _swapped(_subject: Subject, drawn: Episodes, shown: Episodes) -> Episodes | None:
    there = shown.query_x_BD.device
    return replace(
        shown,
        query_x_BD=drawn.context_x_BND[:, -1].to(there),
        query_y_B=drawn.context_y_BN[:, -1].to(there),
    )


def _shifted(subject: Subject, drawn: Episodes, shown: Episodes) -> Episodes | None:
    """None for a task that names no shift."""
    for changes in subject.task.shifts.values():
        task = with_parameters(subject.task, changes)
        if task != subject.task:
            other = _drawn(subject, task, len(drawn))  # the same random numbers
            return as_shown(subject, other.first(shown.n_context))
    return None


_KINDS: Mapping[str, Callable[[Subject, Episodes, Episodes], Episodes | None]] = {
    "label flip": _flipped,
    "query swap": _swapped,
    "shift change": _shifted,
}


def _asked(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    return episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD
