"""Contexts of several lengths in one batch: drawn, answered and shown without padding.

Every episode is drawn with as many points as the longest context has. Those behind its
own length are padding: attention does not see them, exact Bayes is not told of them,
and what a variant does to a context leaves them alone.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task
from icl_mlflow.variants.base import Intervention

#: Different lengths in a batch at most: the exact posterior of each takes a call, and
#: sixteen calls take as long as the step itself where the batch has sixteen episodes.
MOST = 8


def drawn_lengths(n_episodes: int, low: int, high: int, rng: Generator) -> Tensor:
    """The context points of each episode of a batch: (B,) int64.

    Every length from ``low`` to ``high`` is as likely in every episode; of larger
    batches, `MOST` lengths are drawn, and several episodes share each.
    """
    n_different = min(n_episodes, MOST)
    each = torch.randint(low, high + 1, (n_different,), generator=rng)
    return each.repeat(-(-n_episodes // n_different))[:n_episodes]


def posterior(
    task: Task,
    episodes: Episodes,
    query_x_BQD: Tensor,
    lengths_B: Tensor | None,
) -> Tensor:
    """The exact probability of y_q = 1 for several queries a context: (B, Q), float32.

    Args:
        task: that drew the episodes.
        episodes: with their padding.
        query_x_BQD: the queries.
        lengths_B: context points of each episode; None where all have all.
    """

    def of(context: Episodes, points_BQD: Tensor) -> Tensor:
        logit_BQ = task.bayes_logit_of_queries(context, points_BQD)
        return logit_BQ.sigmoid().float()

    if lengths_B is None:
        return of(episodes, query_x_BQD)
    found = torch.empty(query_x_BQD.shape[:2])
    for rows, short in of_each_length(episodes, lengths_B):
        found[rows] = of(short, query_x_BQD[rows])
    return found


def shown(
    intervention: Intervention,
    episodes: Episodes,
    lengths_B: Tensor | None,
    rng: Generator,
) -> Episodes:
    """The episodes after an intervention, which no padding takes part in.

    Args:
        intervention: what is done to a context.
        episodes: with their padding.
        lengths_B: context points of each episode; None where all have all.
        rng: of the intervention.
    """
    if lengths_B is None:
        return intervention(episodes, rng)
    x_BND = episodes.context_x_BND.clone()
    y_BN = episodes.context_y_BN.clone()
    for rows, short in of_each_length(episodes, lengths_B):
        changed = intervention(short, rng)
        x_BND[rows, : short.n_context] = changed.context_x_BND
        y_BN[rows, : short.n_context] = changed.context_y_BN
    return replace(episodes, context_x_BND=x_BND, context_y_BN=y_BN)


def of_each_length(
    episodes: Episodes, lengths_B: Tensor
) -> Iterator[tuple[Tensor, Episodes]]:
    """The rows of each length, and their episodes without padding, shortest first."""
    for length in sorted(set(lengths_B.tolist())):
        rows = (lengths_B == length).nonzero()[:, 0]
        yield rows, episodes.chosen(rows).first(length)
