"""Learning curves: accuracy, loss and excess risk by epoch, and their ceilings.

Several seeds become a median within the range of the seeds (from six on, within the
band that holds the median with 95 %), each of them drawn. The Bayes line is what the
exact in-context predictor reaches on the same validation episodes; the oracle line,
what knowing the latent parameters would add.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.sentences import band_meaning, seeds_phrase
from icl_mlflow.analysis.side_by_side import panels, seed_lines
from icl_mlflow.evaluation import (
    EvaluationSet,
    bayes_accuracy,
    expected_loss,
    log_loss,
)
from icl_mlflow.statistics import (
    binomial_interval,
    falling_at_end,
    order_interval,
    take_off_epoch,
)
from icl_mlflow.tasks.base import Task
from icl_mlflow.tasks.chance import Chance, chance
from icl_mlflow.training.fit import Epoch

_RISK, _ERROR = "val/excess_risk", "val/loss_standard_error"


@dataclass(frozen=True, kw_only=True)
class References:
    """What the exact predictors reach on the validation episodes.

    Attributes:
        bayes_accuracy, bayes_loss: expected given the contexts, so less noisy than
            counting right answers.
        oracle_accuracy: exact; oracle_loss: on these episodes, in nats.
        chance: what guessing reaches.
    """

    bayes_accuracy: float
    bayes_loss: float
    oracle_accuracy: float
    oracle_loss: float
    chance: Chance


def references(task: Task, truth: EvaluationSet) -> References:
    """The lines that a learning curve is read against."""
    return References(
        bayes_accuracy=bayes_accuracy(truth.bayes_B),
        bayes_loss=float(expected_loss(truth.bayes_B).mean()),
        oracle_accuracy=task.oracle().accuracy,
        oracle_loss=log_loss(truth.oracle_B, truth.label_B),
        chance=chance(task),
    )


def measure(histories: Iterable[tuple[int, tuple[Epoch, ...]]]) -> pd.DataFrame:
    """One row per seed and epoch: ``seed``, ``epoch`` and every metric by its name."""
    return pd.DataFrame(
        [
            {"seed": seed, "epoch": epoch.epoch, **epoch.metrics}
            for seed, history in histories
            for epoch in history
        ]
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The mean over seeds of every metric's last value."""
    last = frame.sort_values("epoch").groupby("seed").tail(1)
    means = last.drop(columns=["seed", "epoch"]).mean()
    return {str(name): float(value) for name, value in means.items()}


def verdict(frame: pd.DataFrame, lines: References) -> str:
    """The sentence on the curves: who took off and when, where they ended, who falls.

    Args:
        frame: of `measure`, the models told apart by the column ``model``.
        lines: what the exact predictors reach.
    """
    models = [part.sort_values("epoch") for _, part in frame.groupby("model")]
    last = {
        metric: order_interval([float(part[metric].iloc[-1]) for part in models])
        for metric in ("val/accuracy", _RISK)
        if metric in frame
    }
    accuracy = last["val/accuracy"]
    n_epochs = frame["epoch"].nunique()
    told = (
        f"after {n_epochs} epochs the validation accuracy was {accuracy.mean:.4f} "
        f"({seeds_phrase(accuracy)}), where exact Bayes expects "
        f"{lines.bayes_accuracy:.4f}"
    )
    if _RISK in last:
        risk = last[_RISK]
        told += f", the excess risk {risk.mean:.4f} nats ({seeds_phrase(risk)})"
        falls = [falling_at_end(part[_RISK]) for part in models]
        n_falling = sum(fall > 0 for fall in falls)
        if n_falling:
            told += (
                f"; {n_falling} of {len(falls)} curves were still falling at the end"
            )
    if _ERROR not in frame:
        return f"Cannot be told: {told}."
    started = [
        take_off_epoch(part["val/loss"], part[_ERROR], guessing=lines.chance.loss)
        for part in models
    ]
    n_started = sum(epoch is not None for epoch in started)
    share = binomial_interval(n_started, len(models))
    epochs = sorted(epoch for epoch in started if epoch is not None)
    when = f" in epoch {epochs[0]} to {epochs[-1]}" if epochs else ""
    return (
        f"{'Yes' if n_started == len(models) else 'No'}: {n_started} of {len(models)} "
        f"took off{when} (share, exact 95 %: {share.low:.2f} to {share.high:.2f}); "
        f"{told}."
    )


def draw(frame: pd.DataFrame, lines: References, title: str = "") -> Figure:
    """Accuracy, loss and, where it was measured, excess risk against the epoch."""
    has_risk = _RISK in frame.columns
    drawn, panels = style.figure(1, 3 if has_risk else 2, panel=(4.4, 3.8))
    accuracy, loss = panels[:2]
    _curves(accuracy, frame, "accuracy")
    _line(accuracy, lines.oracle_accuracy, "oracle", style.ORACLE)
    _line(accuracy, lines.bayes_accuracy, "Bayes", style.BAYES)
    _line(accuracy, lines.chance.accuracy, "chance", style.CHANCE)
    accuracy.set(ylabel="accuracy", xlabel="epoch")

    _curves(loss, frame, "loss")
    _line(loss, lines.chance.loss, _chance_label(lines.chance), style.CHANCE)
    _line(loss, lines.bayes_loss, "Bayes", style.BAYES)
    _line(loss, lines.oracle_loss, "oracle", style.ORACLE)
    loss.set(ylabel="log-loss (nats)", xlabel="epoch")

    if has_risk:
        risk = panels[2]
        _band(risk, frame, _RISK, "validation", style.MODEL)
        risk.set(ylabel="excess risk over Bayes (nats)", xlabel="epoch")
        style.logarithmic(risk, "y")
    for panel in panels:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in panels:
        style.legend(panel)
    if title:
        style.heading(drawn, title)
    return drawn


def draw_beside(frame: pd.DataFrame) -> Figure:
    """The validation risk of every variant against the epoch, every seed.

    The accuracy of models whose risk was not measured.
    """
    measured = _RISK if _RISK in frame.columns else "val/accuracy"

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        seed_lines(axes, part, "epoch", measured, label="validation", color=style.MODEL)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if measured == _RISK:
            style.logarithmic(axes, "y")

    named = {_RISK: "excess risk over Bayes (nats)"}.get(measured, "accuracy")
    return panels(frame, paint, xlabel="epoch", ylabel=named)


def _chance_label(found: Chance) -> str:
    is_fair = math.isclose(found.loss, math.log(2))
    return "chance (ln 2)" if is_fair else "chance"


def _curves(axes: Axes, frame: pd.DataFrame, metric: str) -> None:
    _band(axes, frame, f"train/{metric}", "training", style.TRAINING)
    _band(axes, frame, f"val/{metric}", "validation", style.MODEL)


def _band(axes: Axes, frame: pd.DataFrame, column: str, label: str, color: str) -> None:
    """The median over seeds; where there are several, each seed and their band."""
    by_epoch = frame.groupby("epoch")[column]
    middle = by_epoch.median()
    n_seeds = frame["seed"].nunique()
    axes.plot(middle.index, middle, color=color, label=label, marker=".", markersize=5)
    if n_seeds == 1:
        return
    intervals = [order_interval(values.to_numpy()) for _, values in by_epoch]
    low, high = ([getattr(i, end) for i in intervals] for end in ("low", "high"))
    axes.fill_between(
        middle.index,
        low,
        high,
        color=color,
        alpha=0.15,
        linewidth=0,
        label=f"{label}: {band_meaning(n_seeds)}",
    )
    for _, seed in frame.groupby("seed"):
        axes.plot(seed["epoch"], seed[column], color=color, linewidth=0.7, alpha=0.6)


def _line(axes: Axes, value: float, label: str, color: str) -> None:
    axes.axhline(value, color=color, label=label, linestyle="--", linewidth=1.2)
