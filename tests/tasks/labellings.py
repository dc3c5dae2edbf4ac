"""With hidden labels, the posterior is the sum over all labellings.

The reference weighs every labelling of a small context by the exact Bayes predictor
alone: the odds between two labellings that differ at one point are what it answers when
asked for that point's label. So it holds for any task.
"""

import itertools
import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task
from icl_mlflow.tasks.labels import (
    KnownLabels,
    known_when_flipped,
    known_when_shuffled,
    nothing_known,
)

KNOWN = {
    "nothing": nothing_known,
    "counts": known_when_shuffled,
    "flipped": lambda episodes: known_when_flipped(episodes, 0.1),
    "hardly flipped": lambda episodes: known_when_flipped(episodes, 1e-3),
}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def by_enumeration(task: Task, episodes: Episodes, known: KnownLabels) -> Tensor:
    n_points = episodes.n_context + 1
    x_BSD = torch.cat([episodes.context_x_BND, episodes.query_x_BD[:, None]], dim=1)
    found: dict[int, list[Tensor]] = {0: [], 1: []}
    for labels in itertools.product((0, 1), repeat=n_points):
        log_p_B = (known.log_odds_BN * torch.tensor(labels[:-1])).sum(1)
        if known.ones_B is not None:
            log_p_B = log_p_B.where(known.ones_B == sum(labels[:-1]), -math.inf)
        now = torch.zeros(n_points, dtype=torch.int64)
        for i in (i for i in range(n_points) if labels[i]):
            others = [j for j in range(n_points) if j != i]
            asked = replace(
                episodes,
                context_x_BND=x_BSD[:, others],
                context_y_BN=now[others].expand(len(episodes), -1),
                query_x_BD=x_BSD[:, i],
            )
            log_p_B = log_p_B + task.bayes_logit(asked)
            now[i] = 1
        found[labels[-1]].append(log_p_B)
    return torch.stack(found[1]).logsumexp(0) - torch.stack(found[0]).logsumexp(0)
