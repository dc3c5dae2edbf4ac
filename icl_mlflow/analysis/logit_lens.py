"""At which depth is the answer there? Each layer's residual stream, read by the head.

The stream at the query token, after every block, goes through the model's own read-out
as if it were the last (logit lens). What it says is compared with the exact statistics
of the episode. ``embedding`` is the stream before the first block; ``query alone`` is
the same without its position, which is how arXiv 2603.10573 reads "layer 0". Neither
has seen the context, so neither can know which class is which.
"""

from collections.abc import Mapping
from typing import Final

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import ends, style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.curves import averaged, group_of
from icl_mlflow.analysis.internals import no_internals, traces, transformer_of
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Transformer
from icl_mlflow.models.forward import readout
from icl_mlflow.statistics import pearson_interval, slope_interval, spearman_interval
from icl_mlflow.variants.freeze import zero_position

#: Episodes traced: the full path is slow, and a correlation needs no more.
_MOST = 2_000
_ALONE: Final = "query alone"
_ASSOCIATIONS = {
    "pearson": pearson_interval,
    "spearman": spearman_interval,
    "slope": slope_interval,
}


@torch.no_grad()
def lens(transformer: Transformer, episodes: Episodes) -> dict[str, Tensor]:
    """Stage to the logits that the head reads there: (B,) each, float64, nats.

    The stages: ``query alone``, ``embedding``, ``layer 1``, ..., in order; the last is
    the model's own answer.
    """
    parameters = dict(transformer.named_parameters())
    names = [_ALONE, "embedding"]
    names += [f"layer {i + 1}" for i in range(transformer.architecture.n_layers)]
    read: dict[str, list[Tensor]] = {name: [] for name in names}
    for trace in traces(transformer, episodes):
        for name, residual_BSM in zip(names[1:], trace.residual_BSM, strict=True):
            read[name].append(readout(parameters, residual_BSM[:, -1]))
    read[_ALONE] = [readout(parameters, _query_alone(transformer, episodes))]
    return {name: torch.cat(parts).double().cpu() for name, parts in read.items()}


def _query_alone(transformer: Transformer, episodes: Episodes) -> Tensor:
    """The query's embedding without its position: (B, M)."""
    embedding = EMBEDDINGS[transformer.architecture.embedding]
    parameters = {
        name: zero_position(name, value)
        for name, value in transformer.named_parameters()
    }
    features_BSF = transformer.features(
        episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD
    )
    table_SM = embedding.table(parameters, features_BSF.shape[1])
    return features_BSF[:, -1] @ embedding.weight(parameters) + table_SM[-1]


def measure(subject: Subject) -> pd.DataFrame:
    """One row per stage and statistic (oracle, Bayes): associations and intervals."""
    n_episodes = min(_MOST, len(subject.truth))
    seen = subject.truth.seen.rows(0, n_episodes)
    statistics = {"Bayes": subject.truth.bayes_B, "oracle": subject.truth.oracle_B}
    rows = []
    for stage, logit_B in lens(transformer_of(subject), seen).items():
        for statistic, exact_B in statistics.items():
            row: dict[str, object] = {"stage": stage, "statistic": statistic}
            for name, interval_of in _ASSOCIATIONS.items():
                found = interval_of(exact_B[:n_episodes].numpy(), logit_B.numpy())
                row |= ends.columns(name, found)
            rows.append(row)
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Pearson and Spearman at every stage, against Bayes and against the oracle."""
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        for name in ("pearson", "spearman"):
            key = f"{row['stage']}_{row['statistic']}_{name}".lower().replace(" ", "_")
            numbers |= ends.numbers_of_row(key, row, name)
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Correlation by stage, a panel for every variant; several seeds are averaged."""
    groups = frame.groupby(frame["model"].map(group_of), sort=False)
    drawn, panels = style.small_multiples(len(groups), panel=(5.2, 4.0))
    for axes, (group, part) in zip(panels, groups, strict=True):
        n_models = part["model"].nunique()
        axes.set_title(f"{group} ({n_models} models)" if n_models > 1 else str(group))
        _lines(axes, part)
        axes.set(
            xlabel="where the head reads the residual stream",
            ylabel="correlation with the statistic",
            ylim=(-0.25, 1.05),
        )
        axes.legend(fontsize="small", loc="upper left")
    return drawn


def _lines(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for statistic, color in (("Bayes", style.BAYES), ("oracle", style.ORACLE)):
        part = frame[frame["statistic"] == statistic]
        for name, line, marker in (("pearson", "-", "o"), ("spearman", "--", "s")):
            curve = averaged(part, "stage", name)
            axes.errorbar(
                curve.index,
                curve["middle"],
                yerr=[curve["middle"] - curve["low"], curve["high"] - curve["middle"]],
                color=color,
                linestyle=line,
                marker=marker,
                markersize=4,
                capsize=2,
                label=f"{statistic}, {name.title()}",
            )


def _verdict(numbers: Mapping[str, float]) -> str:
    by_stage = {
        name.removesuffix("_bayes_pearson").replace("_", " "): value
        for name, value in numbers.items()
        if name.endswith("_bayes_pearson")
    }
    told = ", ".join(f"{value:.2f} at {stage}" for stage, value in by_stage.items())
    return f"Read by the head, the stream correlates with exact Bayes by {told}."


LOGIT_LENS = Analysis(
    question="At which depth is the answer there?",
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    refuses=no_internals,
    most_episodes=_MOST,
)
