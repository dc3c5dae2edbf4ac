r"""The strategy of a model of a finite pool: does it memorise, or generalise?

M is exact Bayes under the pool, which remembers its members; G is exact Bayes under the
prior that they were drawn from; T is the model. With d the symmetrised Kullback-Leibler
divergence of their answers, averaged over episodes, the memorising share is

    (clip((d(T, G) - d(T, M)) / d(M, G), -1, 1) + 1) / 2:

1 for T = M, 0 for T = G. Source: arXiv 2506.17859, relative distance.
"""

import functools
import math

import numpy as np
from torch import Tensor

#: Predictors nearer to each other than this, in nats, are not told apart.
SMALLEST_APART = 0.001

_RESAMPLES = 1_000
_ENDS = (2.5, 97.5)


def divergence(one_B: Tensor, other_B: Tensor) -> Tensor:
    """The symmetrised divergence of two log-odds, by episode: (B,) float64, nats.

    >>> import torch
    >>> float(divergence(torch.tensor([1.0]), torch.tensor([1.0])))
    0.0
    """
    one_B, other_B = one_B.double(), other_B.double()
    found: Tensor = (one_B.sigmoid() - other_B.sigmoid()) * (one_B - other_B) / 2
    return found


def strategy(model_B: Tensor, pool_B: Tensor, prior_B: Tensor) -> dict[str, float]:
    """Where a model lies between the two predictors, from log-odds by episode.

    Returns:
        ``to_pool``, ``to_prior`` and ``apart``: d(T, M), d(T, G) and d(M, G), nats;
        ``relative``: the quotient before it is clipped; ``share``, ``share_low`` and
        ``share_high``: the memorising share and its bootstrap interval over episodes.
        The last four are NaN where the predictors are not told apart.
    """
    pairs = ((model_B, pool_B), (model_B, prior_B), (pool_B, prior_B))
    distance_3B = np.stack([divergence(*pair).cpu().numpy() for pair in pairs])
    to_pool, to_prior, apart = map(float, distance_3B.mean(1))
    found = {"to_pool": to_pool, "to_prior": to_prior, "apart": apart}
    if apart < SMALLEST_APART:
        names = ("relative", "share", "share_low", "share_high")
        return found | dict.fromkeys(names, math.nan)
    resampled_3R = distance_3B @ _weights(distance_3B.shape[1])
    low, high = np.percentile(_share(*resampled_3R), _ENDS)
    return found | {
        "relative": (to_prior - to_pool) / apart,
        "share": float(_share(*distance_3B.mean(1))),
        "share_low": float(low),
        "share_high": float(high),
    }


def _share(to_pool: np.ndarray, to_prior: np.ndarray, apart: np.ndarray) -> np.ndarray:
    relative = (to_prior - to_pool) / np.maximum(apart, np.finfo(float).tiny)
    found: np.ndarray = (np.clip(relative, -1, 1) + 1) / 2
    return found


@functools.lru_cache(maxsize=4)
def _weights(n_episodes: int) -> np.ndarray:
    """How often each episode is in each resample, as shares: (B, R)."""
    rng = np.random.default_rng(0)
    equal = np.full(n_episodes, 1 / n_episodes)
    return rng.multinomial(n_episodes, equal, size=_RESAMPLES).T / n_episodes
