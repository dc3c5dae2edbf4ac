"""The OV circuit from label to logit: which heads copy labels to the answer.

For every head: the cosine between W_O W_V u and the read-out, where u is the direction
in which y = 1 differs from y = 0 in the residual stream of the embedding: the weight of
``y_proj`` where x and y are summed, y_embed[1] - y_embed[0] where they are interleaved.
+1 copies the label, -1 writes its opposite. What chance allows is found by permuting
the read-out's coordinates, and corrected over the heads of a model (Holm); beside it
stands the same head at its initial weights. Layer norms and MLPs lie between, so this
is a reading of weights, not an effect. Source: arXiv 2603.10573, part III.
"""

import pandas as pd
import seaborn
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import cosine_similarity

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import (
    no_internals,
    transformer_of,
    untrained,
)
from icl_mlflow.analysis.side_by_side import panels, seed_points
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.models import EMBEDDINGS, Transformer
from icl_mlflow.models.forward import layer_parameters
from icl_mlflow.statistics import holm
from icl_mlflow.streams import generator
from icl_mlflow.variants.compose import reads_labels

#: Read-outs of permuted coordinates.
_PERMUTATIONS = 4_000
_SIGNIFICANCE = 0.05
#: Heads that a sentence names.
_NAMED = 4


@torch.no_grad()
def label_direction(transformer: Transformer) -> Tensor:
    """What y = 1 adds to the residual stream, compared with y = 0: (M,)."""
    architecture = transformer.architecture
    parameters = dict(transformer.named_parameters())
    weight_FM = EMBEDDINGS[architecture.embedding].weight(parameters)
    x_1D = weight_FM.new_zeros(1, architecture.dim)
    zero_features, one_features = (
        transformer.features(x_1D[None], x_1D.new_full((1, 1), label), x_1D)
        for label in (0, 1)
    )
    return ((one_features - zero_features).sum((0, 1)) @ weight_FM).cpu()


@torch.no_grad()
def written(transformer: Transformer) -> Tensor:
    """What each head writes of the label: (L, H, M), on the CPU."""
    architecture = transformer.architecture
    direction_M = label_direction(transformer)
    parameters = {name: value.cpu() for name, value in transformer.named_parameters()}
    found = []
    for index in range(architecture.n_layers):
        layer = layer_parameters(parameters, index)
        value_MM = layer["self_attn.in_proj_weight"].chunk(3)[2]
        shape = (architecture.n_heads, architecture.head_width)
        mixed_HK = (value_MM @ direction_M).view(shape)
        output_MHK = layer["self_attn.out_proj.weight"].view(-1, *shape)
        found.append(torch.einsum("mhk,hk->hm", output_MHK, mixed_HK))
    return torch.stack(found).double()


@torch.no_grad()
def alignment(transformer: Transformer) -> Tensor:
    """Cosine of what each head writes of the label with the read-out: (L, H)."""
    return cosine_similarity(written(transformer), _readout(transformer), dim=-1)


def _readout(transformer: Transformer) -> Tensor:
    return transformer.get_parameter("head.weight").detach()[0].cpu().double()


def by_permutation(transformer: Transformer, rng: torch.Generator) -> Tensor:
    """The p-value of each alignment, two-sided: (L, H).

    Among read-outs with the same coordinates in another order.
    """
    readout_M, written_LHM = _readout(transformer), written(transformer)
    order_PM = torch.rand(_PERMUTATIONS, len(readout_M), generator=rng).argsort(1)
    unit_LHM = torch.nn.functional.normalize(written_LHM, dim=-1)
    unit_M = torch.nn.functional.normalize(readout_M, dim=-1)
    permuted_PLH = torch.einsum("pm,lhm->plh", unit_M[order_PM], unit_LHM)
    size_LH = (unit_LHM @ unit_M).abs()
    as_large_LH = (permuted_PLH.abs() >= size_LH).sum(0)
    return (as_large_LH + 1).double() / (_PERMUTATIONS + 1)


def measure(subject: Subject) -> pd.DataFrame:
    """One row per layer and head: alignment in [-1, 1], ``initial`` before training.

    ``p`` is of an alignment by chance, after Holm over the heads.
    """
    transformer = transformer_of(subject)
    rng = generator(subject.seed, f"{STREAM} read-outs")
    p_LH = by_permutation(transformer, rng)
    initial_LH = alignment(untrained(subject))
    places = [(i, j) for i in range(len(p_LH)) for j in range(p_LH.shape[1])]
    found_LH = alignment(transformer)
    return pd.DataFrame(
        {
            "layer": [layer + 1 for layer, _ in places],
            "head": [head + 1 for _, head in places],
            "alignment": [float(found_LH[at]) for at in places],
            "initial": [float(initial_LH[at]) for at in places],
            "p": holm([float(p_LH[at]) for at in places]),
        }
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Each head's alignment, the largest, the smallest, and how many are beyond chance.

    >>> frame = pd.DataFrame({"layer": [1, 1], "head": [1, 2], "alignment": [0.5, 0.1]})
    >>> summarise(frame.assign(p=[0.01, 0.6]))["share_beyond_chance"]
    0.5
    """
    heads = {
        f"layer_{row['layer']}_head_{row['head']}": float(row["alignment"])
        for row in frame.to_dict("records")
    }
    beyond = frame["p"] <= _SIGNIFICANCE
    return heads | {
        "largest": float(frame["alignment"].max()),
        "smallest": float(frame["alignment"].min()),
        "share_beyond_chance": float(beyond.mean()),
    }


def draw(frame: pd.DataFrame) -> Figure:
    """The alignment of every head, a panel a model."""
    models = frame.groupby("model", sort=False)
    n_layers = int(frame["layer"].max())
    drawn, panels = style.small_multiples(
        len(models), panel=(4.4, 1.6 + 0.7 * n_layers)
    )
    for axes, (model, part) in zip(panels, models, strict=True):
        grid = part.pivot_table(values="alignment", index="layer", columns="head")
        axes.grid(visible=False)
        seaborn.heatmap(
            grid,
            ax=axes,
            cmap="RdBu_r",
            vmin=-1,
            vmax=1,
            annot=True,
            fmt="+.2f",
            cbar_kws={"label": "cosine"},
        )
        beyond = int((part["p"] <= _SIGNIFICANCE).sum())
        style.title(axes, f"{model}\n{beyond} beyond chance (Holm)")
        axes.set(xlabel="head", ylabel="layer")
    return drawn


def _beside(frame: pd.DataFrame) -> Figure:
    """The alignment of every head, of every variant and seed."""

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axhline(0, color="black", linewidth=0.8)
        seed_points(axes, part, "place", "alignment", label="head", color=style.MODEL)

    return panels(
        frame.assign(place=places(frame)),
        paint,
        xlabel="layer.head",
        ylabel="OV alignment (cosine)",
    )


def places(frame: pd.DataFrame) -> "pd.Series[str]":
    """``layer.head`` of every row."""
    return frame["layer"].astype(str) + "." + frame["head"].astype(str)


def _verdict(found: Findings) -> Conclusion:
    frame = found.frame
    beyond = frame[frame["p"] <= _SIGNIFICANCE]
    named = ", ".join(
        f"{row['layer']}.{row['head']} ({row['alignment']:+.2f}, "
        f"{row['initial']:+.2f} before training)"
        for row in beyond.to_dict("records")[:_NAMED]
    )
    several = " of all models" if frame["model"].nunique() > 1 else ""
    return Conclusion(
        True if len(beyond) else None,
        f"{len(beyond)} of {len(frame)} heads{several} write the label along or "
        f"against the read-out by more than chance allows (permuted read-outs, "
        f"after Holm)"
        f"{f': layer.head {named}' if named else ''}; the cosines reach from "
        f"{frame['alignment'].min():+.2f} to {frame['alignment'].max():+.2f}",
    )


def _refuses(subject: Subject) -> str | None:
    if subject.transformer is not None:
        embedding = subject.transformer.architecture.embedding
        if not reads_labels(embedding):
            return (
                f"{subject.name} embeds no labels ({embedding}), so none can be copied"
            )
    return no_internals(subject)


OV_ALIGNMENT = Analysis(
    question="Do heads copy the labels they attend to into the answer?",
    topic=Topic.PATH,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="largest",
    beside=_beside,
    refuses=_refuses,
)
