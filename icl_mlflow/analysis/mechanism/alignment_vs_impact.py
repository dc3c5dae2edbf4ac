"""Alignment against impact: are the heads that copy labels those that matter?

Every head's OV alignment beside the increase in excess risk, and the drop in accuracy,
when its output is replaced by its mean over episodes, or by zero as published. One
model has few heads, so the figure pools the heads of all models given. A head may also
write labels negatively, and a later layer turn it round; hence the correlation with the
size of the alignment too.
"""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism import component_ablation, ov_alignment
from icl_mlflow.analysis.side_by_side import panels
from icl_mlflow.statistics import (
    FEWEST_CLUSTERS,
    Interval,
    clustered_spearman,
    pearson_interval,
    spearman_interval,
)

_WAYS = {"mean": "mean", "zero": "zero (as published)"}
#: Column to its axis: the harm that is judged, and the one that was published.
_IMPACTS = {
    "impact": "increase in excess risk (nats)",
    "accuracy_drop": "drop in accuracy",
}
#: Column to the beginning of its numbers' names.
_PREFIXES = {"impact": "", "accuracy_drop": "accuracy_"}
_MARKERS = "osv^Dp*X"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per way, layer and head: alignment, and both harms with intervals.

    ``impact`` is the increase in excess risk in nats; ``accuracy_drop`` in [0, 1].
    """
    alignment = ov_alignment.measure(subject)[["layer", "head", "alignment"]]
    impact = component_ablation.heads(component_ablation.measure(subject)).rename(
        columns=lambda name: str(name).replace("excess_risk_increase", "impact")
    )
    harms = [f"{name}{end}" for name in _IMPACTS for end in ("", "_low", "_high")]
    columns = ["way", "layer", "head", *harms]
    return impact.loc[impact["way"].isin(_WAYS), columns].merge(
        alignment, on=["layer", "head"]
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Correlations over the heads of all that is given: signed, and by size."""
    numbers: dict[str, float] = {}
    for way, part in frame.groupby("way", sort=False):
        signed, size = part["alignment"], part["alignment"].abs()
        for name, prefix in _PREFIXES.items():
            impact = part[name]
            key = f"{prefix}{way}"
            numbers |= {
                f"{key}_pearson": pearson_interval(signed, impact).mean,
                f"{key}_spearman": spearman_interval(signed, impact).mean,
                f"{key}_size_pearson": pearson_interval(size, impact).mean,
                f"{key}_size_spearman": spearman_interval(size, impact).mean,
            }
    return numbers


def pool(frame: pd.DataFrame) -> dict[str, Interval]:
    """Spearman over the heads of all models together: signed, and by size.

    Heads of one model are not independent of each other: the intervals are over models,
    each left out in turn (the cluster jackknife, of Fisher's z), and there is none for
    fewer than three.
    """
    numbers: dict[str, Interval] = {}
    for way, part in frame.groupby("way", sort=False):
        signed, size = part["alignment"], part["alignment"].abs()
        models = part["model"] if "model" in part else pd.Series("", index=part.index)
        for name, aligned in (("", signed), ("_size", size)):
            numbers[f"pooled_{way}{name}_spearman"] = clustered_spearman(
                aligned, part["impact"], models
            )
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Both harms against alignment, the heads of all models together."""
    pooled = pool(frame)
    drawn, panels = style.figure(len(_IMPACTS), len(_WAYS), panel=(5.4, 4.4))
    rest = iter(panels)
    for harm, named in _IMPACTS.items():
        for way, label in _WAYS.items():
            axes, part = next(rest), frame[frame["way"] == way]
            _scatter(axes, part, harm)
            r = pearson_interval(part["alignment"], part[harm]).mean
            rho = spearman_interval(part["alignment"], part[harm]).mean
            told = f"Pearson {r:+.2f}, Spearman {rho:+.2f}"
            if harm == "impact":
                told = (
                    f"Pearson {r:+.2f}, "
                    f"Spearman {_ends(pooled[f'pooled_{way}_spearman'])}\n"
                    f"of its size {_ends(pooled[f'pooled_{way}_size_spearman'])}"
                )
            axes.set(xlabel="OV alignment: cosine of label written with read-out")
            axes.set_ylabel(named)
            style.title(axes, f"replaced by {label}; {len(part)} heads\n{told}")
    style.legend(panels[0])
    return drawn


def _scatter(axes: Axes, frame: pd.DataFrame, harm: str) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axhline(0, color="black", linewidth=0.8)
    models = frame.groupby("model", sort=False)
    for index, (model, part) in enumerate(models):
        marker = _MARKERS[index % len(_MARKERS)]
        for layer, heads in part.groupby("layer"):
            style.interval_points(
                axes,
                heads["alignment"].tolist(),
                heads,
                harm,
                color=style.CYCLE[(int(str(layer)) - 1) % len(style.CYCLE)],
                marker=marker,
                label=f"{model}, layer {layer}",
            )


def _ends(interval: Interval) -> str:
    if math.isnan(interval.low):
        return f"{interval.mean:+.2f}"
    return f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def _beside(frame: pd.DataFrame) -> Figure:
    """Harm (by the mean) against alignment: the heads of every variant's seeds."""

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axvline(0, color="black", linewidth=0.8)
        axes.axhline(0, color="black", linewidth=0.8)
        for layer, heads in part.groupby("layer"):
            axes.plot(
                heads["alignment"],
                heads["impact"],
                "o",
                color=style.CYCLE[(int(str(layer)) - 1) % len(style.CYCLE)],
                markersize=4,
                alpha=0.6,
                label=f"layer {layer}, the heads of all seeds",
            )

    return panels(
        frame[frame["way"] == "mean"],
        paint,
        xlabel="OV alignment",
        ylabel=_IMPACTS["impact"],
    )


def _verdict(found: Findings) -> Conclusion:
    signed = found.numbers["pooled_mean_spearman"]
    n_models = found.frame["model"].nunique()
    answer = None
    if signed.low > 0 or signed.high < 0:
        answer = signed.low > 0
    rest = (
        f"over {n_models} models, each left out in turn"
        if n_models >= FEWEST_CLUSTERS
        else f"of {n_models} model{'s' * (n_models > 1)}; its interval takes "
        f"{FEWEST_CLUSTERS} models, for the heads of one are not independent"
    )
    return Conclusion(
        answer,
        f"over {signed.n} heads the harm of losing one (by its mean) goes with its OV "
        f"alignment by Spearman {_ends(signed)}, and with the alignment's size by "
        f"{_ends(found.numbers['pooled_mean_size_spearman'])}, {rest}",
    )


ALIGNMENT_VS_IMPACT = Analysis(
    question="Are the heads that copy labels the heads that the answer needs?",
    topic=Topic.PATH,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="pooled_mean_spearman",
    beside=_beside,
    pool=pool,
    refuses=ov_alignment.OV_ALIGNMENT.refuses,
    most_episodes=component_ablation.COMPONENT_ABLATION.most_episodes,
)
