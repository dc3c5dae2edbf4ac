"""The entropy error: is the model as unsure as it should be, at every length?

The mean over episodes of |H(model) - H(Bayes)| in bits, H the entropy of the query's
label, at every length from 1 to as many points as training showed; arXiv 2512.22471
takes 1e-3 to 1e-4 bits as the bar for a model that computes the posterior. A model that
is right on average but not in each episode has an entropy error all the same.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.curves import averaged
from icl_mlflow.analysis.episodes import as_shown, episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of, panels, seed_lines
from icl_mlflow.evaluation import entropy_error, predict
from icl_mlflow.statistics import mean_interval, numbers_of_row

_MOST = 2_000
_BAR = 1e-3
_MODEL, _TRAINED = "model", "Bayes, training prior"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per length and predictor: entropy error in bits, with its interval."""
    task, n_trained = subject.task, subject.problem.n_context
    episodes = episodes_for(subject, task, most=_MOST, n_context=n_trained).episodes
    rows = []
    for n_context in range(1, n_trained + 1):
        first = episodes.first(n_context)
        bayes_B = task.bayes_logit(first).cpu()
        answers = {_MODEL: predict(subject.predictor, as_shown(subject, first))}
        if task != subject.problem.task:
            answers[_TRAINED] = subject.problem.task.bayes_logit(first).cpu()
        for predictor, logit_B in answers.items():
            error = mean_interval(entropy_error(logit_B, bayes_B).numpy(), "log")
            where = {"n_context": n_context, "predictor": predictor}
            rows.append(where | error.columns("entropy_mae_bits"))
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The model's entropy error at every length, and the mean over lengths: bits."""
    own = frame[frame["predictor"] == _MODEL]
    numbers: dict[str, float] = {}
    for row in own.to_dict("records"):
        key = f"entropy_mae_bits_at_{row['n_context']}"
        numbers |= numbers_of_row(row, "entropy_mae_bits", key)
    last = own.to_dict("records")[-1]
    numbers |= numbers_of_row(last, "entropy_mae_bits", "trained_entropy_mae_bits")
    return numbers | {"mean_entropy_mae_bits": float(own["entropy_mae_bits"].mean())}


def draw(frame: pd.DataFrame) -> Figure:
    """Entropy error against the context length, and the published bar."""
    drawn_figure, (axes,) = style.figure(panel=(6.4, 4.4))
    groups = frame.groupby([frame["model"].map(group_of), "predictor"], sort=False)
    colors = iter(style.CYCLE * len(frame))
    for (group, predictor), part in groups:
        curve = averaged(part, "n_context", "entropy_mae_bits")
        n_models = part["model"].nunique()
        what = band_meaning(n_models) if n_models > 1 else "95 % over episodes"
        name = group if predictor == _MODEL else predictor
        color = next(colors)
        axes.plot(curve.index, curve["middle"], color=color, label=f"{name} ({what})")
        axes.fill_between(
            curve.index, curve["low"], curve["high"], color=color, alpha=0.18, lw=0
        )
    axes.axhspan(1e-4, _BAR, color=style.GREY, alpha=0.15, lw=0, label="published bar")
    style.logarithmic(axes, "y")
    axes.set(xlabel="context points n", ylabel="entropy error (bits)")
    axes.legend(fontsize="small")
    return drawn_figure


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
    return Conclusion(
        found.below("trained_entropy_mae_bits", _BAR),
        f"at the trained context length its entropy is off by "
        f"{found.phrase('trained_entropy_mae_bits', 'bits')}, over all lengths by "
        f"{found['mean_entropy_mae_bits']:.4f}; below {_BAR} is yes",
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
