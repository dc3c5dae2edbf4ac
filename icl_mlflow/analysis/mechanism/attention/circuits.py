r"""The circuits of heads, taken to the space of x: what the weights alone say.

Of a head, W_Q^T W_K decides attention and W_O W_V what is copied, whatever invertible
map each pair of factors shares out between them. In the first block the stream is the
embedding, and what these functions give is exact; deeper ones read what norms and MLPs
have made of it, and there it is a reading of weights.
"""

import math

import torch
from torch import Tensor

from icl_mlflow.analysis.mechanism.ov_alignment import label_direction
from icl_mlflow.models import EMBEDDINGS, Transformer
from icl_mlflow.models.forward import layer_parameters

#: Random turns of one side of a circuit.
_TURNS = 2_000
#: In the place of a size that is 0.
_TINY = 1e-30


@torch.no_grad()
def point_directions(transformer: Transformer) -> tuple[Tensor, Tensor]:
    """What a unit of each coordinate adds to the stream: (D, M), float64 on the CPU.

    Of a context point, and of the query.
    """
    architecture = transformer.architecture
    parameters = dict(transformer.named_parameters())
    weight_FM = EMBEDDINGS[architecture.embedding].weight(parameters)
    unit_DD = torch.eye(architecture.dim, device=weight_FM.device).to(weight_FM)
    none_DD = torch.zeros_like(unit_DD)
    label_D1 = torch.zeros(len(unit_DD), 1, device=weight_FM.device)

    def written(context_DD: Tensor, query_DD: Tensor) -> Tensor:
        features_DSF = transformer.features(context_DD[:, None], label_D1, query_DD)
        tokens_DM: Tensor = features_DSF.sum(1) @ weight_FM
        return tokens_DM.double().cpu()

    origin_DM = written(none_DD, none_DD)
    return written(unit_DD, none_DD) - origin_DM, written(none_DD, unit_DD) - origin_DM


@torch.no_grad()
def point_circuits(transformer: Transformer) -> Tensor:
    """S of each head: x_q^T S x_i is in its score, (L, H, D, D) float64."""
    context_DM, query_DM = point_directions(transformer)
    scale = math.sqrt(transformer.architecture.head_width)
    found = []
    for query_HKM, key_HKM, _ in _by_head(transformer):
        asked_HDK = query_DM @ query_HKM.transpose(1, 2)
        offered_HDK = context_DM @ key_HKM.transpose(1, 2)
        found.append(asked_HDK @ offered_HDK.transpose(1, 2) / scale)
    return torch.stack(found)


@torch.no_grad()
def label_share(transformer: Transformer) -> Tensor:
    """The label's share of what each head writes of a label and a unit of x: (L, H)."""
    context_DM, _ = point_directions(transformer)
    label_M = label_direction(transformer).double()
    shares = []
    for index, (_, _, value_HKM) in enumerate(_by_head(transformer)):
        output_MHK = _layer(transformer, index)["self_attn.out_proj.weight"].view(
            -1, *value_HKM.shape[:2]
        )
        circuit_HMM = torch.einsum("mhk,hkn->hmn", output_MHK, value_HKM)
        of_label_H = (circuit_HMM @ label_M).square().sum(-1)
        of_point_H = (circuit_HMM @ context_DM.T).square().sum(1).mean(-1)
        shares.append(of_label_H / (of_label_H + of_point_H).clamp_min(_TINY))
    return torch.stack(shares)


def _layer(transformer: Transformer, index: int) -> dict[str, Tensor]:
    parameters = dict(transformer.named_parameters())
    layer = layer_parameters(parameters, index)
    return {name: value.detach().double().cpu() for name, value in layer.items()}


def _by_head(transformer: Transformer) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of every block, the weights of queries, keys and values: (H, K, M) each."""
    architecture = transformer.architecture
    shape = (architecture.n_heads, architecture.head_width, architecture.d_model)
    found = []
    for index in range(architecture.n_layers):
        weight = _layer(transformer, index)["self_attn.in_proj_weight"]
        query, key, value = (each.view(shape) for each in weight.chunk(3))
        found.append((query, key, value))
    return found


def similarity(circuit_DD: Tensor) -> Tensor:
    """The cosine of (..., D, D) with the identity: (...)."""
    trace = circuit_DD.diagonal(dim1=-2, dim2=-1).sum(-1)
    size = circuit_DD.flatten(-2).norm(dim=-1) * math.sqrt(circuit_DD.shape[-1])
    found: Tensor = trace / size.clamp_min(_TINY)
    return found


def by_turning(circuit_LHDD: Tensor, rng: torch.Generator) -> Tensor:
    """The p-value of each similarity, two-sided, among random turns: (L, H)."""
    dim = circuit_LHDD.shape[-1]
    square_PDD = torch.randn(_TURNS, dim, dim, generator=rng, dtype=torch.float64)
    turn_PDD, upper_PDD = torch.linalg.qr(square_PDD)
    signs_P1D = upper_PDD.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(1)
    turn_PDD = turn_PDD * signs_P1D  # uniform over all orthogonal maps
    traces_PLH = torch.einsum("pij,lhji->plh", turn_PDD, circuit_LHDD)
    size_LH = circuit_LHDD.diagonal(dim1=-2, dim2=-1).sum(-1).abs()
    as_large_LH = (traces_PLH.abs() >= size_LH).sum(0)
    return (as_large_LH + 1).double() / (_TURNS + 1)
