"""A variant: training shows contexts in order along the first axis."""

from dataclasses import replace

from torch import Generator

from icl_mlflow.episodes import Episodes
from icl_mlflow.variants.base import Intervention, Variant


def _sort(episodes: Episodes, _rng: Generator) -> Episodes:
    """The same pairs of point and label, in another order."""
    x_BND = episodes.context_x_BND
    order_BN = x_BND[..., 0].argsort(-1)
    return replace(
        episodes,
        context_x_BND=x_BND.gather(1, order_BN[..., None].expand_as(x_BND)),
        context_y_BN=episodes.context_y_BN.gather(1, order_BN),
    )


TOY_ORDER = Variant(
    question="Is a model that was trained on sorted contexts lost in unsorted ones?",
    on_train=Intervention(
        does="pairs sorted along the first axis",
        changes=frozenset({"order"}),
        apply=_sort,
    ),
)
