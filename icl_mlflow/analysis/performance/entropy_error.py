"""The entropy error: is the model as unsure as it should be, at every length?

The mean over episodes of |H(model) - H(Bayes)| in bits, H the entropy of the query's
label, at every length from 1 to as many points as training showed; arXiv 2512.22471
takes 1e-3 to 1e-4 bits as the bar for a model that computes the posterior. A model that
is right on average but not in each episode has an entropy error all the same. Beside it
stands the excess risk at every length. A model that was trained on contexts of several
lengths must keep to the bar at each of them.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.curves import averaged
from icl_mlflow.analysis.episodes import as_shown, episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of, panels, seed_lines
from icl_mlflow.evaluation import entropy_error, excess_risk, predict
from icl_mlflow.statistics import mean_interval, numbers_of_row

_MOST = 2_000
_BAR = 1e-3
#: Below it an axis that has a 0 to show is linear.
_NEAR_ZERO = 1e-5
_COLUMNS = {
    "entropy_mae_bits": "entropy error (bits)",
    "excess_risk": "excess risk (nats)",
}
#: What the numbers of the entropy error begin with; the length follows.
_AT = "entropy_mae_bits_at_"
_MODEL, _TRAINED = "model", "Bayes, training prior"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per length and predictor: entropy error (bits) and excess risk (nats).

    Each has its interval; ``shortest_trained`` is the length from which training showed
    any.
    """
    task, n_trained = subject.task, subject.problem.n_context
    episodes = episodes_for(subject, task, most=_MOST, n_context=n_trained).episodes
    low = subject.settings.n_context_min
    shortest = n_trained if low is None else max(1, low)
    rows = []
    for n_context in range(1, n_trained + 1):
        first = episodes.first(n_context)
        bayes_B = task.bayes_logit(first).cpu()
        answers = {_MODEL: predict(subject.predictor, as_shown(subject, first))}
        if task != subject.problem.task:
            answers[_TRAINED] = subject.problem.task.bayes_logit(first).cpu()
        for predictor, logit_B in answers.items():
            error = mean_interval(entropy_error(logit_B, bayes_B).numpy(), "log")
            risk = mean_interval(excess_risk(logit_B, bayes_B).numpy(), "log")
            where = {
                "n_context": n_context,
                "predictor": predictor,
                "shortest_trained": shortest,
            }
            columns = error.columns("entropy_mae_bits") | risk.columns("excess_risk")
            rows.append(where | columns)
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The model's entropy error (bits) and excess risk (nats) at every length.

    And the mean entropy error over all lengths, and the worst of those trained on.
    """
    own = frame[frame["predictor"] == _MODEL]
    numbers: dict[str, float] = {}
    for row in own.to_dict("records"):
        key = f"entropy_mae_bits_at_{row['n_context']}"
        numbers |= numbers_of_row(row, "entropy_mae_bits", key)
    for row in own.to_dict("records"):
        key = f"excess_risk_at_{row['n_context']}"
        numbers |= numbers_of_row(row, "excess_risk", key)
    trained = own[own["n_context"] >= own["shortest_trained"]]
    worst = trained.sort_values("entropy_mae_bits").to_dict("records")[-1]
    numbers |= numbers_of_row(worst, "entropy_mae_bits", "worst_entropy_mae_bits")
    numbers["shortest_trained"] = float(own["shortest_trained"].iloc[0])
    last = own.to_dict("records")[-1]
    numbers |= numbers_of_row(last, "entropy_mae_bits", "trained_entropy_mae_bits")
    return numbers | {"mean_entropy_mae_bits": float(own["entropy_mae_bits"].mean())}


def draw(frame: pd.DataFrame) -> Figure:
    """Entropy error and excess risk against the context length."""
    drawn_figure, panels_drawn = style.figure(1, 2, panel=(5.6, 4.2))
    shortest = int(frame["shortest_trained"].min())
    for axes, (column, label) in zip(panels_drawn, _COLUMNS.items(), strict=True):
        _curves(axes, frame, column)
        if shortest < int(frame["n_context"].max()):
            axes.axvline(shortest, color=style.GREY, ls=":", label="trained from here")
        has_zero = bool((frame[column] <= 0).any())  # of a predictor that is exact
        style.logarithmic(axes, "y", near_zero=_NEAR_ZERO if has_zero else None)
        axes.set(xlabel="context points n", ylabel=label)
    first, _ = panels_drawn
    first.axhspan(1e-4, _BAR, color=style.GREY, alpha=0.15, lw=0, label="published bar")
    style.legend(first)
    return drawn_figure


def _curves(axes: Axes, frame: pd.DataFrame, column: str) -> None:
    groups = frame.groupby([frame["model"].map(group_of), "predictor"], sort=False)
    colors = iter(style.CYCLE * len(frame))
    for (group, predictor), part in groups:
        curve = averaged(part, "n_context", column)
        n_models = part["model"].nunique()
        what = band_meaning(n_models) if n_models > 1 else "95 % over episodes"
        name = group if predictor == _MODEL else predictor
        color = next(colors)
        axes.plot(curve.index, curve["middle"], color=color, label=f"{name} ({what})")
        axes.fill_between(
            curve.index, curve["low"], curve["high"], color=color, alpha=0.18, lw=0
        )


def _beside(frame: pd.DataFrame) -> Figure:
    """The error of every variant's seeds against the context length, and the bar."""

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        own = part[part["predictor"] == _MODEL]
        y = "entropy_mae_bits"
        seed_lines(axes, own, "n_context", y, label="model", color=style.MODEL)
        axes.axhspan(
            1e-4, _BAR, color=style.GREY, alpha=0.15, lw=0, label="published bar"
        )
        style.logarithmic(axes, "y")

    return panels(
        frame, paint, xlabel="context points n", ylabel="entropy error (bits)"
    )


def _verdict(found: Findings) -> Conclusion:
    shortest = round(found["shortest_trained"])
    longest = max(int(n.rpartition("_")[2]) for n in found.numbers if n.startswith(_AT))
    over_all = f"over all lengths by {found['mean_entropy_mae_bits']:.4f}"
    if shortest == longest:
        return Conclusion(
            found.below("trained_entropy_mae_bits", _BAR),
            f"at the trained context length its entropy is off by "
            f"{found.phrase('trained_entropy_mae_bits', 'bits')}, {over_all}; below "
            f"{_BAR} is yes",
        )
    trained = [f"{_AT}{n}" for n in range(shortest, longest + 1)]
    near = [found.below(name, _BAR) for name in trained]
    return Conclusion(
        all_of(*near),
        f"it was trained on {shortest} to {longest} points, and at {near.count(True)} "
        f"of these {len(near)} lengths its entropy is off by less than {_BAR} bits; "
        f"where it is worst by {found.phrase('worst_entropy_mae_bits', 'bits')}, "
        f"{over_all}; below {_BAR} at each is yes",
    )


ENTROPY_ERROR = Analysis(
    question="Is the model as unsure as exact Bayes, to a thousandth of a bit?",
    topic=Topic.RIGHT,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="trained_entropy_mae_bits",
    beside=_beside,
    most_episodes=_MOST,
)
