"""What probes look for: statistics of a context, and how exact Bayes depends on them.

They are those of the episodes as they were drawn, which exact Bayes answers; a variant
may show the model something else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import expected_loss
from icl_mlflow.tasks.base import NotKnownError, Task

#: Points looked at at once, in float64.
_POINTS = 1_000 * 33
#: What exact Bayes answers: its log-odds, and the entropy of its answer in nats.
BAYES, _ENTROPY = "bayes_logit", "bayes_entropy"


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is probed for in a subject, on the first of its episodes.

    Attributes:
        subject: who is asked.
        n_episodes: how many of its episodes.
        statistics: of these, (B, k) float64 each.
        needed: which of them exact Bayes needs; its log-odds where that is not known.
    """

    subject: Subject
    n_episodes: int
    statistics: Mapping[str, Tensor]
    needed: Collection[str]

    def bayes_change(self, statistic: str, change_BK: Tensor) -> Tensor | None:
        """How exact Bayes' log-odds change with a statistic: (B,), nats."""
        n_episodes = len(change_BK)
        if statistic == BAYES:
            return change_BK[:, 0]
        task = self.subject.task
        if statistic not in task.sufficient:
            return None
        episodes = self.subject.truth.episodes.rows(0, n_episodes)
        known = _statistics(task, episodes)
        there = {**known, statistic: known[statistic] + change_BK}
        query_x_BD, n_context = episodes.query_x_BD, episodes.n_context
        before_B, after_B = (
            task.bayes_logit_of(each, query_x_BD.cpu(), n_context)
            for each in (known, there)
        )
        return after_B - before_B


def targets_of(subject: Subject, most: int) -> Targets:
    """What to probe for, on at most so many episodes; what never varies is left out."""
    n_episodes = min(most, len(subject.truth))
    episodes = subject.truth.episodes.rows(0, n_episodes)
    bayes_B = subject.truth.bayes_B[:n_episodes]
    found = {
        **_statistics(subject.task, episodes),
        BAYES: bayes_B.unsqueeze(1),
        _ENTROPY: expected_loss(bayes_B).unsqueeze(1),
    }
    varied = {name: one for name, one in found.items() if one.std(0).sum() > 0}
    return Targets(
        subject=subject,
        n_episodes=n_episodes,
        statistics=varied,
        needed=varied.keys() & (subject.task.sufficient or (BAYES,)),
    )


def _statistics(task: Task, episodes: Episodes) -> dict[str, Tensor]:
    """All that the task knows of, found in chunks, on the CPU."""
    try:
        parts = [task.statistics(part) for part in episodes.chunks(_POINTS)]
    except NotKnownError:
        return {}
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
