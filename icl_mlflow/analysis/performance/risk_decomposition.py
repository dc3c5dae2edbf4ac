r"""The model's log-loss in three exact parts, at every context length.

With theta the latents, and in expectation exactly,

    log-loss = E H(y | x, theta)          noise: what remains when the latents are known
             + I(y; theta | context, x)   not knowing the latents: what Bayes pays
             + E KL(Bayes || model)       the model's own: its excess risk

each averaged over the query's label given what its condition knows, so none of them
needs labels; so the three parts have far smaller errors than the log-loss they add up
to. Others call the last one the expected excess risk or the Bayes gap.
"""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import as_shown, episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.performance.context_length import lengths
from icl_mlflow.analysis.side_by_side import by_variant, group_of
from icl_mlflow.evaluation import excess_risk, expected_loss, log_loss, predict
from icl_mlflow.statistics import mean_interval, numbers_of_row

_MOST = 2_000
_PARTS = {
    "noise": ("noise (latents known)", style.GREY),
    "latents": ("not knowing the latents", style.BAYES),
    "own": ("the model's own", style.MODEL),
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row a length: the three parts and the log-loss itself, in nats.

    ``trained`` is the third part of exact Bayes with the training prior, NaN where the
    episodes are of the training task.
    """
    task, n_trained = subject.task, subject.problem.n_context
    episodes = episodes_for(subject, task, most=_MOST, n_context=n_trained).episodes
    oracle_B = task.oracle_llr(episodes).cpu()
    rows = []
    for n_context in lengths(n_trained, n_trained):
        first = episodes.first(n_context)
        bayes_B = task.bayes_logit(first).cpu()
        logit_B = predict(subject.predictor, as_shown(subject, first))
        parts = {
            "noise": expected_loss(oracle_B),
            "latents": excess_risk(bayes_B, oracle_B),
            "own": excess_risk(logit_B, bayes_B),
        }
        if task != subject.problem.task:
            trained_B = subject.problem.task.bayes_logit(first).cpu()
            parts["trained"] = excess_risk(trained_B, bayes_B)
        row: dict[str, object] = {"n_context": n_context}
        for name, value_B in parts.items():
            row |= mean_interval(value_B.numpy(), "log").columns(name)
        label_B = first.query_y_B.double().cpu()
        rows.append(row | {"log_loss": log_loss(logit_B, label_B)})
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The three parts at every length, and at the longest without its number: nats."""
    numbers: dict[str, float] = {}
    rows = frame.to_dict("records")
    for suffix, row in [
        *((f"_at_{row['n_context']}", row) for row in rows),
        ("", rows[-1]),
    ]:
        for part in _PARTS:
            numbers |= numbers_of_row(row, part, f"{part}{suffix}")
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """The parts stacked by context length, a panel a group of models."""
    groups = frame.groupby(frame["model"].map(group_of), sort=False)
    drawn_figure, panels = style.small_multiples(len(groups), panel=(6.0, 4.2))
    for axes, (group, part) in zip(panels, groups, strict=True):
        n_models = part["model"].nunique()
        means = part.groupby("n_context").mean(numeric_only=True)
        places, bottom = range(len(means)), pd.Series(0.0, index=means.index)
        for name, (label, color) in _PARTS.items():
            axes.bar(places, means[name], bottom=bottom, color=color, label=label)
            bottom = bottom + means[name]
        if "trained" in means:
            height = means["noise"] + means["latents"] + means["trained"]
            label = "Bayes, training prior"
            axes.plot(places, height, "_", color="black", ms=14, mew=2, label=label)
        axes.set_xticks(places, [str(n) for n in means.index])
        several = f" (mean of {n_models} seeds)" if n_models > 1 else ""
        style.title(axes, f"{group}{several}")
        axes.set(xlabel="context points n", ylabel="log-loss (nats)")
        style.legend(axes, loc="upper right")
    return drawn_figure


def _beside(frame: pd.DataFrame) -> Figure:
    """The parts of every variant at the trained length, and every seed's sum."""
    last = frame[frame["n_context"] == frame["n_context"].max()]
    groups = by_variant(last)
    drawn_figure, (axes,) = style.figure(panel=(max(5.6, 2.6 + 0.9 * len(groups)), 4.4))
    for place, part in enumerate(groups.values()):
        bottom = 0.0
        for name, (label, color) in _PARTS.items():
            height = float(part[name].mean())
            named = label if place == 0 else None
            axes.bar(place, height, bottom=bottom, color=color, label=named)
            bottom += height
        sums = part[list(_PARTS)].sum(axis=1)
        axes.plot([place] * len(sums), sums, "o", color="black", ms=3.5, alpha=0.6)
    axes.set_xticks(range(len(groups)), list(groups), rotation=20, ha="right")
    axes.set_ylabel("log-loss (nats)")
    style.title(axes, "bars: means over seeds; dots: every seed")
    style.legend_below(drawn_figure, [axes])
    return drawn_figure


def _verdict(found: Findings) -> Conclusion:
    return Conclusion(
        found.below("own", found["latents"]),
        f"at the trained context length the model's own part is "
        f"{found.phrase('own', 'nats')}, not knowing the latents costs "
        f"{found['latents']:.4f} and noise {found['noise']:.4f}",
    )


RISK_DECOMPOSITION = Analysis(
    question="Does the model lose less than not knowing the latents costs anyone?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="own",
    beside=_beside,
    most_episodes=_MOST,
)
