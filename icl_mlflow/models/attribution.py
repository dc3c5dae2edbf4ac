r"""Direct logit attribution: the logit as an exact sum of what each part writes.

The read-out is linear, and a norm is linear once its scale is known. So the read-out's
direction is taken down through the model, from the logit to the tokens: past a norm
x -> gamma (x - mean(x)) / s + beta the direction u becomes P(u gamma) / s, where P
subtracts the mean and s is the scale at this episode's query token. What a part has
written into the stream, times the direction there, is its term; all terms sum to the
logit. A post-LN block has two norms, one after each addition.

It is a ledger, not a cause: without a part the norms would scale the others anew.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.forward import layer_parameters
from icl_mlflow.models.sites import Quantity, Site
from icl_mlflow.models.trace import compute


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """A logit by what wrote it, in nats; L layers, H heads.

    Attributes:
        logit_B: log-odds of y_q = 1.
        terms: by component, (B,) each, such as ``layer 1 head 2`` and ``layer 2 MLP``;
            9 a layer with four heads and 3 more. Their sum is the logit.
        by_source_BHS: L entries: the terms of a layer's heads by the token that the
            head takes it from.
        by_neuron_BF: L entries: the term of a layer's MLP by its hidden unit, F = 4M.
    """

    logit_B: Tensor
    terms: dict[str, Tensor]
    by_source_BHS: tuple[Tensor, ...]
    by_neuron_BF: tuple[Tensor, ...]


def attribute(
    parameters: Parameters, architecture: Architecture, features_BSF: Tensor
) -> Attribution:
    """Who wrote the logits of these episodes?

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        features_BSF: `Embedding.features` of the episodes.
    """
    at: dict[Site, Tensor] = {}

    def note(site: Site, value: Tensor) -> Tensor:
        # Values are needed at every token, all else at the query's alone.
        at[site] = value if site.quantity == "value" else value[..., -1, :]
        return value

    logit_B = compute(parameters, architecture, features_BSF, note)
    ledger = _Ledger(parameters["head.weight"][0].expand(len(features_BSF), -1))
    ledger.terms["read-out bias"] = parameters["head.bias"].expand(len(features_BSF))
    for index in reversed(range(architecture.n_layers)):
        here = {s.quantity: v for s, v in at.items() if s.layer == index}
        ledger.enter(index + 1, layer_parameters(parameters, index), here)
    embedding = EMBEDDINGS[architecture.embedding]
    table_SM = embedding.table(parameters, features_BSF.shape[1])
    query_BM = features_BSF[:, -1] @ embedding.weight(parameters)
    ledger.write("query", query_BM)
    ledger.write("position and bias", table_SM[-1])
    return Attribution(
        logit_B=logit_B,
        terms=dict(reversed(ledger.terms.items())),
        by_source_BHS=tuple(reversed(ledger.by_source)),
        by_neuron_BF=tuple(reversed(ledger.by_neuron)),
    )


class _Ledger:
    """What has been entered, and the logit's direction in the stream so far down."""

    def __init__(self, direction_BM: Tensor) -> None:
        self.direction_BM = direction_BM
        self.terms: dict[str, Tensor] = {}
        self.by_source: list[Tensor] = []
        self.by_neuron: list[Tensor] = []

    def write(self, component: str, written_M: Tensor) -> None:
        """Enter what a component writes into the stream: (B, M) or (M,)."""
        self.terms[component] = (self.direction_BM * written_M).sum(-1)

    def enter(
        self, number: int, layer: Parameters, here: dict[Quantity, Tensor]
    ) -> None:
        """Go down through a block, the ``number``-th from 1."""
        name = f"layer {number}"
        self._pass_norm(f"{name} norm 2 bias", layer, "norm2", here["post_scale"])
        self._enter_mlp(name, layer, here["hidden"])
        self._pass_norm(f"{name} norm 1 bias", layer, "norm1", here["mid_scale"])
        self._enter_heads(name, layer, here["pattern"], here["value"])

    def _pass_norm(
        self, bias: str, layer: Parameters, norm: str, scale_B1: Tensor
    ) -> None:
        self.write(bias, layer[f"{norm}.bias"])
        scaled_BM = self.direction_BM * layer[f"{norm}.weight"]
        centred_BM = scaled_BM - scaled_BM.mean(-1, keepdim=True)
        self.direction_BM = centred_BM / scale_B1

    def _enter_mlp(self, name: str, layer: Parameters, hidden_BF: Tensor) -> None:
        self.write(f"{name} MLP bias", layer["linear2.bias"])
        by_neuron_BF = self.direction_BM @ layer["linear2.weight"] * hidden_BF
        self.by_neuron.append(by_neuron_BF)
        self.terms[f"{name} MLP"] = by_neuron_BF.sum(-1)

    def _enter_heads(
        self, name: str, layer: Parameters, pattern_BHS: Tensor, value_BHSK: Tensor
    ) -> None:
        self.write(f"{name} attention bias", layer["self_attn.out_proj.bias"])
        read_BM = self.direction_BM @ layer["self_attn.out_proj.weight"]
        n_episodes, n_heads, _, width = value_BHSK.shape
        read_BHK = read_BM.view(n_episodes, n_heads, width)
        said_BHS = torch.einsum("bhk,bhsk->bhs", read_BHK, value_BHSK)
        by_source_BHS = pattern_BHS * said_BHS
        self.by_source.append(by_source_BHS)
        for head in reversed(range(n_heads)):
            self.terms[f"{name} head {head + 1}"] = by_source_BHS[:, head].sum(-1)
