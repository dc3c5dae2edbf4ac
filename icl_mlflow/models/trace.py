"""The whole forward computation, with every internal quantity as an output.

No hooks: `compute` goes through each block at each token, and hands every internal
quantity to an ``edit`` before it is used. An edit that notes what it sees is a trace;
one that changes it is an intervention, see `icl_mlflow.models.interventions`.
`forward` is the fast road to the same logits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.forward import (
    layer_parameters,
    project,
    readout,
    split_heads,
)
from icl_mlflow.models.sites import BY_HEAD, Quantity, Site
from icl_mlflow.models.visibility import mask_of

Edit = Callable[[Site, Tensor], Tensor]

#: What layer norm adds to a variance, as in `torch.nn.LayerNorm`.
_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a forward pass computed, at the sites that most questions are about.

    Attributes:
        logit_B: log-odds of y_q = 1, in nats.
        residual_BSM: L + 1 entries: the embedding, then the stream after each block.
        pattern_BHSS: L entries: attention weights, queries by keys.
        head_output_BHSK: L entries: each head's mix of values.
    """

    logit_B: Tensor
    residual_BSM: tuple[Tensor, ...]
    pattern_BHSS: tuple[Tensor, ...]
    head_output_BHSK: tuple[Tensor, ...]


def unedited(_site: Site, value: Tensor) -> Tensor:
    """Leave the quantity as it is."""
    return value


def trace(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    edit: Edit = unedited,
) -> Trace:
    """Run every block at every token and return the internals.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        features_BSF: `Embedding.features` of the episodes.
        edit: called with each `Site` and its value; what it returns is used instead.
    """
    kept: dict[Quantity, list[Tensor]] = {
        "residual": [],
        "pattern": [],
        "head_output": [],
    }

    def note(site: Site, value: Tensor) -> Tensor:
        used = edit(site, value)
        if site.quantity in kept:
            kept[site.quantity].append(used)
        return used

    logit_B = compute(parameters, architecture, features_BSF, note)
    return Trace(
        logit_B=logit_B,
        residual_BSM=tuple(kept["residual"]),
        pattern_BHSS=tuple(kept["pattern"]),
        head_output_BHSK=tuple(kept["head_output"]),
    )


def cached(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    *,
    wanted: Callable[[str], bool],
    edit: Edit = unedited,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The logits (B,), in nats, and what was used at every hook that is wanted.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        features_BSF: `Embedding.features` of the episodes.
        wanted: says of a hook's name whether its value is kept.
        edit: called with each `Site` and its value; what it returns is used instead.
    """
    cache: dict[str, Tensor] = {}

    def note(site: Site, value: Tensor) -> Tensor:
        used = edit(site, value)
        shown = used.transpose(1, 2) if site.quantity in BY_HEAD else used
        for name in site.hook_names(architecture.n_layers):
            if wanted(name):
                cache[name] = shown
        return used

    return compute(parameters, architecture, features_BSF, note), cache


def compute(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    edit: Edit,
) -> Tensor:
    """Log-odds of y_q = 1: (B,), in nats, with every quantity as ``edit`` gives it."""
    embedding = EMBEDDINGS[architecture.embedding]
    table_SM = embedding.table(parameters, features_BSF.shape[1])
    x_BSM = features_BSF @ embedding.weight(parameters) + table_SM
    return compute_from(parameters, architecture, 0, x_BSM, edit)


def compute_from(
    parameters: Parameters,
    architecture: Architecture,
    depth: int,
    x_BSM: Tensor,
    edit: Edit,
) -> Tensor:
    """What `compute` gives, from the stream after the first ``depth`` blocks on.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        depth: blocks that have been passed.
        x_BSM: the stream there, before its edit.
        edit: called with each `Site` and its value; what it returns is used instead.
    """
    mask_SS = mask_of(x_BSM, hidden=architecture.query_hidden)
    for index in range(depth, architecture.n_layers):
        x_BSM = edit(Site("residual", index), x_BSM)
        block = _Block(index, layer_parameters(parameters, index), edit)
        x_BSM = block.run(x_BSM, architecture.n_heads, mask_SS)
    x_BSM = edit(Site("residual", architecture.n_layers), x_BSM)
    return readout(parameters, x_BSM[:, -1])


@dataclass(frozen=True)
class _Block:
    """One block: its place, its parameters and what edits its quantities."""

    index: int
    layer: Parameters
    edit: Edit

    def run(self, x_BSM: Tensor, n_heads: int, mask_SS: Tensor | None) -> Tensor:
        """The stream after the block, (B, S, M)."""
        written_BSM = self._attention(x_BSM, n_heads, mask_SS)
        mid_BSM = self._at("mid", x_BSM + written_BSM)
        x_BSM = self._at("mid_normed", self._norm(mid_BSM, "norm1", "mid_scale"))
        hidden = self._at("hidden_input", self._linear(x_BSM, "linear1"))
        hidden = self._at("hidden", F.gelu(hidden))
        written_BSM = self._at("mlp_output", self._linear(hidden, "linear2"))
        post_BSM = self._at("post", x_BSM + written_BSM)
        return self._norm(post_BSM, "norm2", "post_scale")

    def _attention(self, x_BSM: Tensor, n_heads: int, mask_SS: Tensor | None) -> Tensor:
        query, key, value = split_heads(project(x_BSM, self.layer), n_heads)
        query, key = self._at("query", query), self._at("key", key)
        value = self._at("value", value)
        score_BHSS = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if mask_SS is not None:
            score_BHSS = score_BHSS + mask_SS
        score_BHSS = self._at("score", score_BHSS)
        pattern_BHSS = self._at("pattern", score_BHSS.softmax(-1))
        mixed_BHSK = self._at("head_output", pattern_BHSS @ value)
        mixed_BSM = mixed_BHSK.transpose(1, 2).reshape(x_BSM.shape)
        written_BSM = self._linear(mixed_BSM, "self_attn.out_proj")
        return self._at("attention_output", written_BSM)

    def _norm(self, x_BSM: Tensor, name: str, scale: Quantity) -> Tensor:
        """Layer norm, of which the scale can be edited."""
        centred_BSM = x_BSM - x_BSM.mean(-1, keepdim=True)
        variance_BS1 = centred_BSM.square().mean(-1, keepdim=True)
        scale_BS1 = self._at(scale, (variance_BS1 + _EPSILON).sqrt())
        weight, bias = self.layer[f"{name}.weight"], self.layer[f"{name}.bias"]
        return centred_BSM / scale_BS1 * weight + bias

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.layer[f"{name}.weight"], self.layer[f"{name}.bias"]
        return F.linear(x, weight, bias)

    def _at(self, quantity: Quantity, value: Tensor) -> Tensor:
        return self.edit(Site(quantity, self.index), value)
