"""Interventions on the context of an episode before a model sees it.

Every episode gets random numbers of its own, all of them from the given generator, and
on its device. The query and its label are never touched.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from icl_mlflow.tasks.labels import known_when_flipped, known_when_shuffled
from icl_mlflow.variants.base import Intervention

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from icl_mlflow.episodes import Episodes


def _uniform(episodes: Episodes, rng: Generator) -> Tensor:
    """One number in [0, 1) for each context point: (B, N)."""
    # Listing the variants needs no torch.
    import torch  # noqa: PLC0415

    y_BN = episodes.context_y_BN
    unit_BN = torch.rand(y_BN.shape, generator=rng, device=rng.device)
    return unit_BN.to(y_BN.device)


def _shuffle_labels(episodes: Episodes, rng: Generator) -> Episodes:
    order_BN = _uniform(episodes, rng).argsort(-1)
    return replace(episodes, context_y_BN=episodes.context_y_BN.gather(-1, order_BN))


def _shuffle_context(episodes: Episodes, rng: Generator) -> Episodes:
    order_BN = _uniform(episodes, rng).argsort(-1)
    x_BND = episodes.context_x_BND
    return replace(
        episodes,
        context_x_BND=x_BND.gather(1, order_BN.unsqueeze(-1).expand_as(x_BND)),
        context_y_BN=episodes.context_y_BN.gather(1, order_BN),
    )


#: Permute each context's labels: the counts stay, the pairing of x and y goes.
shuffle_labels = Intervention(
    does="labels shuffled within each episode",
    changes=frozenset({"labels"}),
    apply=_shuffle_labels,
    known=known_when_shuffled,
)

#: Permute each context's (x, y) pairs: the pairing stays, the order goes.
shuffle_context = Intervention(
    does="pairs shuffled within each episode",
    changes=frozenset({"order"}),
    apply=_shuffle_context,
)


def flip_labels(p: float) -> Intervention:
    """Flip each context label on its own with probability ``p``.

    Raises:
        ValueError: ``p`` that is not above 0 and at most 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"labels flip with probability above 0 and at most 1, not {p}")

    def flip(episodes: Episodes, rng: Generator) -> Episodes:
        y_BN = episodes.context_y_BN
        is_flipped_BN = _uniform(episodes, rng) < p
        return replace(episodes, context_y_BN=y_BN.where(~is_flipped_BN, 1 - y_BN))

    return Intervention(
        does=f"each label flipped with probability {p}",
        changes=frozenset({"labels"}),
        apply=flip,
        # At 1 the labels' log-odds are infinite; the number below keeps them finite.
        known=functools.partial(
            known_when_flipped, flip_rate=min(p, math.nextafter(1, 0))
        ),
    )
