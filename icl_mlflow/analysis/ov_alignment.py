"""Does a head copy labels to the answer? The OV circuit, from label to logit direction.

For every head: the cosine between W_O W_V u and the read-out, where u is the direction
in which y = 1 differs from y = 0 in the residual stream of the embedding: the weight of
``y_proj`` where x and y are summed, y_embed[1] - y_embed[0] where they are interleaved.
+1 copies the label, -1 writes its opposite; two random directions lie within
1.96 / sqrt(M) of 0 with a chance of 95 %. Layer norms and MLPs lie between, so this is
a reading of weights, not an effect. Source: arXiv 2603.10573, part III.
"""

import math
from collections.abc import Mapping

import pandas as pd
import seaborn
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import cosine_similarity

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.internals import no_internals, transformer_of
from icl_mlflow.models import EMBEDDINGS, Transformer
from icl_mlflow.models.forward import layer_parameters
from icl_mlflow.variants.compose import reads_labels

_NORMAL_QUANTILE = 1.96


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
def alignment(transformer: Transformer) -> Tensor:
    """Cosine of what each head writes of the label with the read-out: (L, H)."""
    architecture = transformer.architecture
    direction_M = label_direction(transformer)
    parameters = {name: value.cpu() for name, value in transformer.named_parameters()}
    readout_M = parameters["head.weight"][0]
    found = []
    for index in range(architecture.n_layers):
        layer = layer_parameters(parameters, index)
        value_MM = layer["self_attn.in_proj_weight"].chunk(3)[2]
        shape = (architecture.n_heads, architecture.head_width)
        mixed_HK = (value_MM @ direction_M).view(shape)
        output_MHK = layer["self_attn.out_proj.weight"].view(-1, *shape)
        written_HM = torch.einsum("mhk,hk->hm", output_MHK, mixed_HK)
        found.append(cosine_similarity(written_HM, readout_M[None], dim=-1))
    return torch.stack(found).double()


def measure(subject: Subject) -> pd.DataFrame:
    """One row per layer and head: alignment in [-1, 1], and what chance would allow."""
    transformer = transformer_of(subject)
    by_chance = _NORMAL_QUANTILE / math.sqrt(transformer.architecture.d_model)
    return pd.DataFrame(
        [
            {"layer": layer, "head": head, "alignment": value, "by_chance": by_chance}
            for layer, row in enumerate(alignment(transformer).tolist(), 1)
            for head, value in enumerate(row, 1)
        ]
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Each head's alignment, the largest, the smallest, and how many are beyond chance.

    >>> frame = pd.DataFrame({"layer": [1, 1], "head": [1, 2], "alignment": [0.5, 0.1]})
    >>> summarise(frame.assign(by_chance=0.2))["share_beyond_chance"]
    0.5
    """
    heads = {
        f"layer_{row['layer']}_head_{row['head']}": float(row["alignment"])
        for row in frame.to_dict("records")
    }
    beyond = frame["alignment"].abs() > frame["by_chance"]
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
        chance = float(part["by_chance"].iloc[0])
        axes.set_title(f"{model} (chance: within {chance:.2f})", fontsize="medium")
        axes.set(xlabel="head", ylabel="layer")
    return drawn


def _verdict(numbers: Mapping[str, float]) -> str:
    return (
        f"{numbers['share_beyond_chance']:.0%} of the heads write the label along or "
        f"against the read-out by more than chance allows; the cosines reach from "
        f"{numbers['smallest']:+.2f} to {numbers['largest']:+.2f}."
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
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    refuses=_refuses,
)
