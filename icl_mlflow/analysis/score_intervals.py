"""Intervals of a predictor's scores over the episodes that they rest on.

    accuracy                      Wilson, of a count
    loss, brier, excess_risk      t, of a mean over episodes, on the logarithm's scale
    auc                           normal on the logit scale, variance by DeLong
    ece                           basic bootstrap within the bins: chance alone makes
                                  every ECE positive, and this takes that off again

Sources: DeLong, DeLong and Clarke-Pearson 1988; Davison and Hinkley 1997, section 5.2.
"""

import math

import numpy as np
from scipy.special import expit, logit, ndtri
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.evaluation import (
    EvaluationSet,
    auc,
    calibration_bins,
    excess_risk,
    expected_loss,
)
from icl_mlflow.statistics import Interval, mean_interval, t_interval, wilson_interval
from icl_mlflow.statistics.ranks import average_ranks
from icl_mlflow.statistics.sample import Sample

_RESAMPLES = 400
_LEVEL = 0.95
#: By name, in the order of tables and figures.
METRICS = ("accuracy", "loss", "excess_risk", "auc", "brier", "ece")


def scored(
    logit_B: Tensor,
    truth: EvaluationSet,
    rng: np.random.Generator,
    *,
    knows_latents: bool = False,
) -> dict[str, Interval]:
    """Every score of `icl_mlflow.evaluation.scores`, with a 95 % interval.

    Args:
        logit_B: a predictor's log-odds, float64, nats.
        truth: the episodes.
        rng: resamples for the ECE.
        knows_latents: the predictor sees more than the context. A divergence from the
            posterior is then no risk; its loss less the expected loss of Bayes is.
    """
    label_B = truth.label_B
    loss_B = binary_cross_entropy_with_logits(logit_B, label_B, reduction="none")
    risk_B = excess_risk(logit_B, truth.bayes_B)
    if knows_latents:
        risk_B = loss_B - expected_loss(truth.bayes_B)
    n_right = int(((logit_B > 0) == label_B.bool()).sum())
    return {
        "accuracy": wilson_interval(n_right, len(label_B)),
        "loss": mean_interval(loss_B.numpy(), "log"),
        # What knows the latents beats Bayes: its risk is below 0, without a logarithm.
        "excess_risk": (
            t_interval(risk_B.numpy())
            if knows_latents
            else mean_interval(risk_B.numpy(), "log")
        ),
        "auc": auc_interval(logit_B, label_B),
        "brier": mean_interval((logit_B.sigmoid() - label_B).square().numpy(), "log"),
        "ece": ece_interval(logit_B, label_B, rng),
    }


def auc_interval(logit_B: Tensor, label_B: Tensor) -> Interval:
    """The AUC and its interval by DeLong; NaN ends where that has no answer.

    The variance is that of the two classes' placements: the share of the other class
    that each episode is on the right side of.
    """
    score, is_one = logit_B.numpy(), label_B.bool().numpy()
    found, n = auc(logit_B, label_B), len(score)
    one, zero = score[is_one], score[~is_one]
    if min(len(one), len(zero)) <= 1 or found in (0.0, 1.0):
        return Interval(found, math.nan, math.nan, n)
    rank = average_ranks(score)
    above = (rank[is_one] - average_ranks(one)) / len(zero)
    below = (rank[~is_one] - average_ranks(zero)) / len(one)
    variance = above.var(ddof=1) / len(one) + below.var(ddof=1) / len(zero)
    reach = ndtri((1 + _LEVEL) / 2) * math.sqrt(variance) / (found * (1 - found))
    low, high = expit(logit(found) + np.array([-reach, reach]))
    return Interval(found, float(low), float(high), n)


def ece_interval(
    logit_B: Tensor, label_B: Tensor, rng: np.random.Generator
) -> Interval:
    """The ECE and twice itself less the quantiles of its resamples, within [0, 1]."""
    bins = calibration_bins(logit_B, label_B)
    return ece_of_bins(
        bins.predicted.numpy(), bins.observed.numpy(), bins.count.numpy(), rng
    )


def ece_of_bins(
    predicted: Sample, observed: Sample, count: Sample, rng: np.random.Generator
) -> Interval:
    """The same, of bins: mean prediction, share of ones and size of each."""
    n = int(count.sum())
    share = count / n
    found = float(np.abs(predicted - observed) @ share)
    # Within a bin predictions hardly differ: what is random is how many labels are 1.
    ones = rng.binomial(count.astype(int), observed, size=(_RESAMPLES, len(count)))
    resampled = np.abs(predicted - ones / count) @ share
    tails = np.quantile(resampled, [(1 + _LEVEL) / 2, (1 - _LEVEL) / 2])
    low, high = np.clip(2 * found - tails, 0, 1)
    return Interval(found, float(low), float(high), n)
