"""The exact scores of an oracle, from the distributions of its log-likelihood ratio."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.special import logit
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import NotKnownError, OracleConstants, Task

#: P(LLR <= value) under y = 0 and under y = 1, for an array of values.
Distributions = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_FAIR = np.array([0.5])
_CERTAIN = np.array([1.0])
#: Values of the score, on either side of 0, dense around it.
_GRID = 1_000
#: A tail that is left out.
_NEGLIGIBLE = 1e-12
_MOST_DOUBLINGS = 60
#: Draws of a distribution that its task does not know exactly.
_COUNTED = 1 << 17


def llr_cdf(
    task: Task, llr: np.ndarray, latents: Mapping[str, Tensor] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The distributions of `Task.llr_cdf`; counted in draws where they are not known.

    What is counted is off by about .002, and the same in every call.
    """
    try:
        return task.llr_cdf(llr, latents)
    except NotKnownError:
        llr_B, label_B = _drawn(task, latents)
    zero, one = (
        np.searchsorted(np.sort(llr_B[label_B == label]), llr, side="right")
        / (label_B == label).sum()
        for label in (0, 1)
    )
    return zero, one


def _drawn(
    task: Task, latents: Mapping[str, Tensor] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The LLR of many points, and their labels."""
    rng = generator(0, "oracle")
    if latents is None:
        latents = task.draw_latents(_COUNTED, rng)
    n_latents = len(next(iter(latents.values())))
    chosen_B = torch.arange(_COUNTED) % n_latents
    each = {name: value[chosen_B] for name, value in latents.items()}
    y_B1 = task.draw_labels(each, (_COUNTED, 1), rng)
    drawn = Episodes.of_points(task.draw_points(each, y_B1, rng), y_B1, each)
    return task.oracle_llr(drawn).numpy(), drawn.query_y_B.numpy()


def oracle_constants(
    cdf: Distributions, prior_P: np.ndarray = _FAIR, weight_P: np.ndarray = _CERTAIN
) -> OracleConstants:
    """The accuracy of LLR + log pi / (1 - pi), and its AUC to about 1e-6.

    With pi of an episode known, F_y the distributions of the LLR and L the log-odds of
    pi, the accuracy is E[pi (1 - F_1(-L)) + (1 - pi) F_0(-L)].

    Args:
        cdf: of the LLR, latents known, over all latents.
        prior_P: values of pi, the probability of y = 1 in an episode.
        weight_P: their probabilities.
    """
    odds_P = logit(prior_P)
    under_0_P, under_1_P = cdf(-odds_P)
    right_P = prior_P * (1 - under_1_P) + (1 - prior_P) * under_0_P

    longest = _reach(cdf)
    half_T = np.sinh(np.linspace(0.0, np.arcsinh(longest / 1e-3), _GRID)) * 1e-3
    llr_T = np.concatenate([-half_T[:0:-1], half_T])
    under_0_T, under_1_T = cdf(llr_T)
    if len(prior_P) > 1:
        # Of the score of all episodes, in units of the classes' shares.
        score_T = np.concatenate([llr_T + odds_P.min(), llr_T + odds_P.max()])
        score_T.sort()
        llr_TP = score_T[:, None] - odds_P
        zero_P, one_P = weight_P * (1 - prior_P), weight_P * prior_P
        under_0_T, under_1_T = (
            np.interp(llr_TP, llr_T, under_T, left=0.0, right=1.0)
            @ (class_P / class_P.sum())
            for under_T, class_P in ((under_0_T, zero_P), (under_1_T, one_P))
        )
    middle_T = (under_0_T[1:] + under_0_T[:-1]) / 2
    return OracleConstants(
        accuracy=float(right_P @ weight_P),
        auc=float((middle_T * np.diff(under_1_T)).sum()),
    )


def _reach(cdf: Distributions) -> float:
    """A ratio beyond which there is next to nothing, on either side."""
    found = 1.0
    for _ in range(_MOST_DOUBLINGS):
        (below_0, above_0), (below_1, above_1) = cdf(np.array([-found, found]))
        if max(below_0, below_1, 1 - above_0, 1 - above_1) < _NEGLIGIBLE:
            break
        found *= 2
    return found
