r"""QK circuits beside the OV ones: whom does a head attend to, and what does it copy?

Of a head, W_Q^T W_K alone decides attention: any invertible map that W_Q and W_K share
out between them leaves it as it is. Taken to the space of x, from the query's side and
from a context point's, it is a matrix S with x_q^T S x_i in the score. Its *similarity*
is the cosine with the identity, tr S / (sqrt D |S|): +1 attends to points that are like
the query, -1 to those that are unlike. What chance allows is found by turning one side
at random, and corrected over the heads of a model (Holm).

Beside it stands the OV circuit's *alignment* (`ov_alignment`), and the *label share* of
what is written: of the squared size of what a label and a unit of x leave, the label's.
Heads of different seeds have no common order: they are matched to the first model's,
layer by layer, by these three numbers (the assignment of least squared distance).

In the first block the stream is the embedding, and S is exact. Deeper ones read what
norms and MLPs have made of it: there it is a reading of weights, as is the OV circuit.
"""

import math

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism import ov_alignment
from icl_mlflow.analysis.mechanism.attention.circuits import (
    by_turning,
    label_share,
    point_circuits,
    similarity,
)
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.statistics import (
    Interval,
    holm,
    numbers_of_row,
    order_interval,
    pearson_interval,
)
from icl_mlflow.streams import generator

#: In the place of a size that is 0.
_TINY = 1e-30
_SIGNIFICANCE = 0.05
#: What heads of different models are matched by.
_ROLE = ["similarity", "alignment", "label_share"]
_MARKERS = "osv^Dp*X"
#: Heads that a sentence names.
_NAMED = 4


def measure(subject: Subject) -> pd.DataFrame:
    """One row per layer and head: similarity, alignment, label_share, rank.

    ``rank`` is the participation ratio of S's squared singular values; ``p`` is of a
    similarity by chance, after Holm over the heads.
    """
    transformer = transformer_of(subject)
    circuit_LHDD = point_circuits(transformer)
    rng = generator(subject.seed, f"{STREAM} turns")
    p_LH = by_turning(circuit_LHDD, rng)
    square = torch.linalg.svdvals(circuit_LHDD).square()
    rank_LH = square.sum(-1).square() / square.square().sum(-1).clamp_min(_TINY)
    columns = {
        "similarity": similarity(circuit_LHDD),
        "alignment": ov_alignment.alignment(transformer),
        "label_share": label_share(transformer),
        "rank": rank_LH,
    }
    n_layers, n_heads = p_LH.shape
    places = [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
    return pd.DataFrame(
        {
            "layer": [layer + 1 for layer, _ in places],
            "head": [head + 1 for _, head in places],
            **{
                name: [float(value[at]) for at in places]
                for name, value in columns.items()
            },
            "p": holm([float(p_LH[at]) for at in places]),
        }
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Each head's similarity, the extremes, and how many are beyond chance.

    ``similarity_alignment_pearson``, over heads, is near 1 in a vote by likeness: heads
    attend to like points and copy their labels, or to unlike ones and write the other.
    """
    heads = {
        f"layer_{row['layer']}_head_{row['head']}": float(row["similarity"])
        for row in frame.to_dict("records")
    }
    together = pearson_interval(frame["similarity"], frame["alignment"]).columns("r")
    return heads | {
        **numbers_of_row(together, "r", "similarity_alignment_pearson"),
        "largest": float(frame["similarity"].max()),
        "smallest": float(frame["similarity"].min()),
        "share_beyond_chance": float((frame["p"] <= _SIGNIFICANCE).mean()),
        "label_share": float(frame["label_share"].mean()),
    }


def with_roles(frame: pd.DataFrame) -> pd.DataFrame:
    """With the column ``role``: the head of the first model that each is matched to.

    Args:
        frame: of all models, with the column ``model``.
    """
    found = []
    for _, of_layer in frame.groupby("layer", sort=False):
        models = [part for _, part in of_layer.groupby("model", sort=False)]
        first = models[0]
        reference = first[_ROLE].to_numpy()
        for part in models:
            gap = part[_ROLE].to_numpy()[:, None] - reference[None]
            rows, columns = linear_sum_assignment((gap**2).sum(-1))
            role = dict(zip(rows, first["head"].to_numpy()[columns], strict=True))
            found.append(part.assign(role=[role[row] for row in range(len(part))]))
    return pd.concat(found)


def pool(frame: pd.DataFrame) -> dict[str, Interval]:
    """Similarity and alignment by role, over the models; and what matching explains.

    ``role_spread_similarity`` is the spread between seeds within a role, over that of
    all heads of a layer: 0 where every seed has the same heads, in whatever order.
    """
    if "model" not in frame or frame["model"].nunique() == 1:
        return {}
    roles = with_roles(frame)
    numbers = {
        f"layer_{layer}_role_{role}_{name}": order_interval(part[name].to_numpy())
        for (layer, role), part in roles.groupby(["layer", "role"])
        for name in ("similarity", "alignment")
    }
    for name in ("similarity", "alignment"):
        within = roles.groupby(["layer", "role"])[name].var(ddof=0).mean()
        overall = roles.groupby("layer")[name].var(ddof=0).mean()
        ratio = math.sqrt(within / overall) if overall else math.nan
        numbers[f"role_spread_{name}"] = Interval(ratio, math.nan, math.nan, len(roles))
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """QK similarity against OV alignment, a panel a layer; lines join matched heads."""
    layers = with_roles(frame).groupby("layer", sort=False)
    drawn, panels = style.small_multiples(len(layers), panel=(5.0, 4.6))
    for axes, (layer, part) in zip(panels, layers, strict=True):
        _scatter(axes, part)
        style.title(axes, f"layer {layer}")
        axes.set(
            xlabel="QK: attends to points like the query (cosine)",
            ylabel="OV: copies the label to the read-out (cosine)",
            xlim=(-1.05, 1.05),
            ylim=(-1.05, 1.05),
        )
    style.legend(panels[0])
    return drawn


def _scatter(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axhline(0, color="black", linewidth=0.8)
    for index, (role, part) in enumerate(frame.groupby("role")):
        color = style.CYCLE[index % len(style.CYCLE)]
        axes.plot(part["similarity"], part["alignment"], color=color, linewidth=0.8)
        mean = part[["similarity", "alignment"]].mean()
        axes.annotate(str(role), (mean["similarity"], mean["alignment"]), color=color)
    for index, (model, part) in enumerate(frame.groupby("model", sort=False)):
        axes.plot(
            part["similarity"],
            part["alignment"],
            _MARKERS[index % len(_MARKERS)],
            color=style.GREY,
            markersize=5,
            alpha=0.8,
            label=str(model),
        )


def _verdict(found: Findings) -> Conclusion:
    frame = found.frame
    beyond = frame[frame["p"] <= _SIGNIFICANCE]
    named = ", ".join(
        f"{row['layer']}.{row['head']} ({row['similarity']:+.2f})"
        for row in beyond.to_dict("records")[:_NAMED]
    )
    n_models = frame["model"].nunique()
    together = found.phrase(
        "similarity_alignment_pearson", digits=2, over=f"over {len(frame)} heads"
    )
    alike = ""
    if "role_spread_similarity" in found:
        alike = (
            f"; matched by role over {n_models} seeds, heads keep "
            f"{found['role_spread_similarity']:.0%} of their spread in similarity and "
            f"{found['role_spread_alignment']:.0%} of that in OV alignment"
        )
    return Conclusion(
        True if len(beyond) else None,
        f"{len(beyond)} of {len(frame)} heads{' of all models' * (n_models > 1)} "
        "attend to points that are like or unlike the query by more than chance allows "
        f"(random turns, after Holm){f': layer.head {named}' if named else ''}; the "
        f"cosines reach from {frame['similarity'].min():+.2f} to "
        f"{frame['similarity'].max():+.2f}; over heads, similarity and OV alignment "
        f"correlate by {together}{alike}",
    )


QK_CIRCUITS = Analysis(
    question="Do heads attend to points by their likeness to the query?",
    topic=Topic.PATH,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="largest",
    pool=pool,
    refuses=ov_alignment.OV_ALIGNMENT.refuses,
)
