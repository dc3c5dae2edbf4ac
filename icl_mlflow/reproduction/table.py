"""The paper's table with ours beside it: a row an experiment, and a verdict each.

Accuracies are those of the last epoch on the validation episodes, as the paper's are.
``task_A_OOD`` has two more rows of the same trainings: at the best epoch as it can be
chosen honestly, in distribution, and at the epoch that is best on the very shifted
episodes, as the published checkpoints of that experiment were chosen, which is a leak.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.reproduction.course import Course
from icl_mlflow.reproduction.judgement import Evidence, Judgement, Kind, judge
from icl_mlflow.reproduction.paper import ACCURACIES, SHIFT, PublishedAccuracy
from icl_mlflow.statistics import Interval, normal_interval_paper, order_interval

#: Which epoch a row is of.
LAST = "last epoch"
HONEST = "best epoch, chosen in distribution"
LEAK = "best epoch, chosen on the shifted episodes: a leak"

#: Task and variant.
Training = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that stands, of trainings and of what bounds them.

    Attributes:
        members: the trainings that came through, by task and variant.
        ceilings: by task and variant.
        shifted_bayes: accuracy of exact Bayes on the shifted episodes.
        shifted: run id to the accuracy of its best epoch on the shifted episodes, of
            those whose epochs were not evaluated there.
        seeds: that were asked for.
        n_episodes: of the validation set.
    """

    members: Mapping[Training, Sequence[Course]]
    ceilings: Mapping[Training, Ceilings]
    shifted_bayes: float
    shifted: Mapping[str, float]
    seeds: Sequence[int]
    n_episodes: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One experiment at one choice of epoch.

    Attributes:
        published: the paper's number.
        selection: which epoch.
        accuracies: seed to what it reached.
        train_accuracies: seed to what it reached on its training episodes.
        bayes: accuracy of exact Bayes, which knows all that the evaluation shows.
        ideal: accuracy of an ideal learner of this training.
        missing_seeds: of those asked for.
        untested_seeds: that came through their last epoch and were ended then: their
            accuracy stands, and a model of them does not.
        judgement: the word and why.
    """

    published: PublishedAccuracy
    selection: str
    accuracies: Mapping[int, float]
    train_accuracies: Mapping[int, float]
    bayes: float
    ideal: float
    missing_seeds: Sequence[int]
    untested_seeds: Sequence[int]
    judgement: Judgement

    @property
    def name(self) -> str:
        """Of the experiment; with the choice of epoch where it is not the last."""
        name = self.published.name
        return name if self.selection == LAST else f"{name} ({self.selection})"

    @property
    def interval(self) -> Interval | None:
        """Ours, over seeds; None where none stands."""
        return order_interval([*self.accuracies.values()]) if self.accuracies else None

    @property
    def difference(self) -> float:
        """Our mean minus the paper's."""
        found = self.interval
        return math.nan if found is None else found.mean - self.published.mean


def rows(found: Found) -> list[Row]:
    """Every experiment of the paper, in its order."""
    each: list[Row] = []
    for published in ACCURACIES:
        if published.experiment.is_selected_on_shift:
            each += [_row(published, name, found) for name in (LAST, HONEST, LEAK)]
        else:
            each.append(_row(published, LAST, found))
    return each


def _row(published: PublishedAccuracy, selection: str, found: Found) -> Row:
    belongs = published.experiment
    training = (belongs.task, belongs.variant)
    where = SHIFT if belongs.is_selected_on_shift else "val"
    members = found.members.get(training, ())
    reached = {m.seed: _accuracy(m, where, selection, found) for m in members}
    reached = {seed: value for seed, value in reached.items() if not math.isnan(value)}
    tops = found.ceilings[training]
    bayes, ideal = tops.shown.accuracy, tops.ideal.accuracy
    if belongs.is_selected_on_shift:
        bayes, ideal = found.shifted_bayes, math.nan
    missing = [seed for seed in found.seeds if seed not in reached]
    return Row(
        published=published,
        selection=selection,
        accuracies=reached,
        train_accuracies={
            m.seed: float(m.history["train/accuracy"].iloc[-1])
            for m in members
            if m.seed in reached
        },
        bayes=bayes,
        ideal=ideal,
        missing_seeds=missing,
        untested_seeds=[
            m.seed for m in members if m.seed in reached and not m.is_finished
        ],
        judgement=_judgement(
            published,
            selection,
            Evidence(
                accuracies=list(reached.values()),
                started=[m.started for m in members if m.seed in reached],
                n_epochs=max((len(m.history) for m in members), default=0),
                n_episodes=found.n_episodes,
            ),
            missing,
        ),
    )


def _accuracy(member: Course, where: str, selection: str, found: Found) -> float:
    """What a training reached there at the epoch that is asked for; NaN if unknown."""
    history = member.history
    if f"{where}/accuracy" not in history:
        is_known = selection == HONEST
        return found.shifted.get(member.run_id, math.nan) if is_known else math.nan
    epochs = history[f"{where}/accuracy"]
    if selection == LAST:
        return float(epochs.iloc[-1])
    chosen_on = "val/loss" if selection == HONEST else f"{where}/loss"
    # An unfinished evaluation, of a training that went on without it, chooses nothing.
    if history[chosen_on].isna().any():
        return math.nan
    return float(epochs.iloc[int(history[chosen_on].to_numpy().argmin())])


def _judgement(
    published: PublishedAccuracy,
    selection: str,
    evidence: Evidence,
    missing: Sequence[int],
) -> Judgement:
    if not evidence.accuracies:
        return Judgement(Kind.MISSING, _seeds(missing))
    found = judge(published, evidence)
    lacking = f"; {_seeds(missing)} missing" if missing else ""
    kind = found.kind if selection == LAST else Kind.BESIDE
    return Judgement(kind, f"{found.why}{lacking}")


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def table(found: Sequence[Row]) -> pd.DataFrame:
    """One row an experiment and choice of epoch, for programs."""
    return pd.DataFrame([_columns(row) for row in found])


def _columns(row: Row) -> dict[str, object]:
    published, ours = row.published, row.interval
    values, train = list(row.accuracies.values()), list(row.train_accuracies.values())
    paper_like = normal_interval_paper(values) if values else None
    return {
        "experiment": published.name,
        "task": published.experiment.task,
        "variant": published.experiment.variant,
        "epoch": row.selection,
        "paper": published.mean,
        "paper_low": published.low,
        "paper_high": published.high,
        "n_seeds": len(values),
        "seeds": " ".join(map(str, row.accuracies)),
        "untested_seeds": " ".join(map(str, row.untested_seeds)),
        "each_accuracy": " ".join(f"{value:.4f}" for value in values),
        "accuracy": ours.mean if ours else math.nan,
        "accuracy_low": ours.low if ours else math.nan,
        "accuracy_high": ours.high if ours else math.nan,
        # As the paper computes its own, for whoever wants like beside like.
        "half_width_paper": paper_like.high - paper_like.mean
        if paper_like
        else math.nan,
        "train_accuracy": sum(train) / len(train) if train else math.nan,
        "bayes": row.bayes,
        "ideal_learner": row.ideal,
        "difference": row.difference,
        "verdict": str(row.judgement.kind),
        "why": row.judgement.why,
    }


def readable(found: Sequence[Row]) -> pd.DataFrame:
    """The table for readers."""
    return pd.DataFrame(
        [
            {
                "experiment": row.name,
                "paper": f"{row.published.mean:.4f} ± {row.published.half_width:.4f}",
                "ours, mean": _digits(row.interval.mean if row.interval else math.nan),
                "interval": _ends(row.interval),
                "each seed": " ".join(f"{v:.4f}" for v in row.accuracies.values()),
                "exact Bayes": _digits(row.bayes),
                "difference": _digits(row.difference, "+.4f"),
                "verdict": str(row.judgement.kind),
            }
            for row in found
        ]
    )


def _ends(ours: Interval | None) -> str:
    if ours is None or math.isnan(ours.low):
        return ""
    return f"{ours.low:.4f} to {ours.high:.4f}"


def _digits(value: float, written: str = ".4f") -> str:
    return "" if math.isnan(value) else format(value, written)
