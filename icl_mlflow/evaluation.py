"""Evaluation of a predictor's log-odds on fixed episodes, beside exact Bayes.

The headline is excess risk: the mean Kullback-Leibler divergence, in nats, from the
exact posterior of the query's label to the predictor's. Its expectation is the
difference of their log-losses, with a far smaller standard error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.predictor import TaskPredictor
from icl_mlflow.statistics.ranks import average_ranks
from icl_mlflow.tasks.base import Task, check_episodes

#: Context points, their labels and the query to log-odds of y_q = 1: (B,), in nats.
Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]

#: Points evaluated at once, 256 episodes of the paper's: small enough for the cache,
#: measured best on CPUs. Other devices have more to do at once, or wait for the host.
_POINTS = 256 * 33
_DEVICE_POINTS = 5_000 * 33
#: Points answered exactly at once, in float64: 20 000 episodes of the paper's.
_ANSWERED_POINTS = 20_000 * 33
_CALIBRATION_BINS = 15
#: Standard errors of a one-sided test at .05.
_ONE_SIDED = 1.645


@dataclass(frozen=True, kw_only=True, repr=False)
class EvaluationSet:
    """Fixed episodes and their exact answers.

    Attributes:
        episodes: as they were drawn; the exact answers belong to these.
        seen: as the model sees them (a variant may have changed the context).
        bayes_B: exact log-odds of y_q = 1 given the context, float64, nats.
        oracle_B: exact log-likelihood ratio, latents known, float64, nats.
    """

    episodes: Episodes
    seen: Episodes
    bayes_B: Tensor
    oracle_B: Tensor

    def __len__(self) -> int:
        return len(self.episodes)

    def first(self, n_episodes: int) -> "EvaluationSet":
        """The first of these episodes."""
        if n_episodes == len(self):
            return self
        return EvaluationSet(
            episodes=self.episodes.rows(0, n_episodes),
            seen=self.seen.rows(0, n_episodes),
            bayes_B=self.bayes_B[:n_episodes],
            oracle_B=self.oracle_B[:n_episodes],
        )

    def __repr__(self) -> str:
        return (
            f"EvaluationSet({self.episodes!r}, exact Bayes accuracy "
            f"{bayes_accuracy(self.bayes_B):.4f})"
        )

    @property
    def label_B(self) -> Tensor:
        """The query's label: float64, 0 or 1."""
        return self.episodes.query_y_B.double()


def evaluation_set(
    task: Task, episodes: Episodes, seen: Episodes | None = None
) -> EvaluationSet:
    """Episodes with their exact answers under ``task``, which are found in chunks.

    Args:
        task: that drew the episodes.
        episodes: as they were drawn.
        seen: as a model is shown them, if a variant changes something of them.

    Raises:
        ValueError: episodes of another dimension than the task's.
    """
    check_episodes(task, episodes)
    parts = list(episodes.chunks(_ANSWERED_POINTS))
    return EvaluationSet(
        episodes=episodes,
        seen=episodes if seen is None else seen,
        bayes_B=torch.cat([task.bayes_logit(part).cpu() for part in parts]),
        oracle_B=torch.cat([task.oracle_llr(part).cpu() for part in parts]),
    )


@torch.no_grad()
def predict(predictor: Predictor, episodes: Episodes) -> Tensor:
    """The predictor's log-odds, found in chunks: (B,) float64 on the CPU, nats.

    Args:
        predictor: a model, what `bayes`, `oracle` or `estimator` give, or any function
            of context points, their labels and the query.
        episodes: what it is asked about.

    Raises:
        ValueError: it does not fit the episodes, or does not answer each of them.
    """
    if isinstance(predictor, TaskPredictor):  # the oracle must see the latents
        return predictor.answer(episodes).double().cpu()
    is_here = episodes.query_x_BD.device.type == "cpu"
    chunks = []
    for part in episodes.chunks(_POINTS if is_here else _DEVICE_POINTS):
        logit_B = predictor(part.context_x_BND, part.context_y_BN, part.query_x_BD)
        chunks.append(_one_each(logit_B, len(part)).double().cpu())
    return torch.cat(chunks)


def _one_each(logit_B: Tensor, n_episodes: int) -> Tensor:
    found_B = torch.as_tensor(logit_B)
    if found_B.shape != (n_episodes,):
        raise ValueError(
            f"a predictor must answer {n_episodes} episodes with the shape "
            f"({n_episodes},), not {tuple(found_B.shape)}"
        )
    return found_B


def excess_risk(logit_B: Tensor, bayes_B: Tensor) -> Tensor:
    """KL(Bernoulli(bayes) || Bernoulli(predictor)) of each episode: (B,), nats.

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> float(excess_risk(one, one)), float(excess_risk(zero, one)) > 0
    (0.0, True)
    """
    gap_if_one = logsigmoid(bayes_B) - logsigmoid(logit_B)
    gap_if_zero = logsigmoid(-bayes_B) - logsigmoid(-logit_B)
    # Not 1 - sigmoid(bayes), which is 0 from 37 nats on, where the gap may be as large.
    return bayes_B.sigmoid() * gap_if_one + (-bayes_B).sigmoid() * gap_if_zero


def accuracy(logit_B: Tensor, label_B: Tensor) -> float:
    """Share of episodes whose sign is right; a logit of exactly 0 says y = 0."""
    return float(((logit_B > 0) == label_B.bool()).double().mean())


def log_loss(logit_B: Tensor, label_B: Tensor) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    return float(binary_cross_entropy_with_logits(logit_B.double(), label_B.double()))


def expected_loss(logit_B: Tensor) -> Tensor:
    """The log-loss that calibrated log-odds expect of themselves: (B,), nats."""
    p_B = logit_B.sigmoid()
    found: Tensor = torch.special.entr(torch.stack([p_B, 1 - p_B])).sum(0)
    return found


def expected_accuracy(logit_B: Tensor, bayes_B: Tensor) -> Tensor:
    """The chance that each answer's sign is right, given the context: (B,), in [0, 1].

    Its mean estimates the accuracy of a predictor that sees the context alone, with
    less noise than counting: how the label falls is averaged over.

    Args:
        logit_B: the predictor's log-odds; exactly 0 says y = 0, as in `accuracy`.
        bayes_B: exact log-odds given the context, nats.
    """
    return torch.where(logit_B > 0, bayes_B, -bayes_B).sigmoid()


def bayes_accuracy(bayes_B: Tensor) -> float:
    """The accuracy that the exact Bayes predictor is expected to reach, in [0, 1]."""
    return float(expected_accuracy(bayes_B, bayes_B).mean())


def guesses(logit_B: Tensor, truth: EvaluationSet, guessing: float) -> bool:
    """Whether a predictor's loss is not surely better than guessing's.

    One-sided, at .05, by its expected log-loss given the contexts.

    Args:
        logit_B: the predictor's log-odds.
        truth: of the episodes.
        guessing: the log-loss of `icl_mlflow.tasks.base.chance`, nats.
    """
    loss_B = expected_loss(truth.bayes_B) + excess_risk(logit_B, truth.bayes_B)
    error = float(loss_B.std()) / math.sqrt(len(loss_B))
    return bool(loss_B.mean() + _ONE_SIDED * error >= guessing)


def entropy_error(logit_B: Tensor, bayes_B: Tensor) -> Tensor:
    """The distance of the predictor's entropy from exact Bayes': (B,), in bits.

    The absolute difference of the entropies of the query's label, as arXiv 2512.22471
    measures it.

    >>> sure, torn = torch.full((1,), 40.0), torch.zeros(1)
    >>> round(float(entropy_error(sure, torn)), 6)
    1.0
    """
    gap_B = expected_loss(logit_B) - expected_loss(bayes_B)
    found: Tensor = gap_B.abs() / math.log(2)
    return found


def log_loss_standard_error(logit_B: Tensor, label_B: Tensor) -> float:
    """The standard error of `log_loss`, in nats; NaN for a single episode."""
    loss_B = binary_cross_entropy_with_logits(
        logit_B.double(), label_B.double(), reduction="none"
    )
    return float(loss_B.std() / math.sqrt(len(loss_B))) if len(loss_B) > 1 else math.nan


def auc(logit_B: Tensor, label_B: Tensor) -> float:
    """Area under the ROC curve, ties counted half; NaN where one class is missing."""
    positive_B = label_B.bool().numpy()
    n_positive = int(positive_B.sum())
    n_negative = len(positive_B) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = average_ranks(logit_B.numpy())
    wins = ranks[positive_B].sum() - n_positive * (n_positive + 1) / 2
    return float(wins / (n_positive * n_negative))


def brier(logit_B: Tensor, label_B: Tensor) -> float:
    """Mean squared error of the probability of y = 1."""
    return float((logit_B.sigmoid() - label_B).square().mean())


@dataclass(frozen=True, kw_only=True)
class CalibrationBins:
    """Bins of equal count by predicted probability: mean prediction, outcome, size."""

    predicted: Tensor
    observed: Tensor
    count: Tensor


def calibration_bins(
    logit_B: Tensor, label_B: Tensor, n_bins: int = _CALIBRATION_BINS
) -> CalibrationBins:
    """Episodes sorted by prediction and cut into ``n_bins`` of (almost) equal count."""
    probability_B = logit_B.sigmoid()
    order_B = probability_B.argsort()
    predicted = probability_B[order_B].tensor_split(n_bins)
    observed = label_B.double()[order_B].tensor_split(n_bins)
    filled = [(p, o) for p, o in zip(predicted, observed, strict=True) if len(p)]
    return CalibrationBins(
        predicted=torch.stack([p.mean() for p, _ in filled]),
        observed=torch.stack([o.mean() for _, o in filled]),
        count=torch.tensor([len(p) for p, _ in filled]),
    )


def ece(logit_B: Tensor, label_B: Tensor) -> float:
    """Expected calibration error over 15 bins of equal count, in [0, 1]."""
    bins = calibration_bins(logit_B, label_B)
    gap = (bins.predicted - bins.observed).abs()
    return float((gap * bins.count).sum() / bins.count.sum())


def scores(logit_B: Tensor, truth: EvaluationSet) -> dict[str, float]:
    """Every metric of a predictor; entropy_mae_bits in bits, risk and loss in nats."""
    label_B = truth.label_B
    return {
        "loss": log_loss(logit_B, label_B),
        "accuracy": accuracy(logit_B, label_B),
        "excess_risk": float(excess_risk(logit_B, truth.bayes_B).mean()),
        "auc": auc(logit_B, label_B),
        "brier": brier(logit_B, label_B),
        "ece": ece(logit_B, label_B),
        "entropy_mae_bits": float(entropy_error(logit_B, truth.bayes_B).mean()),
    }
