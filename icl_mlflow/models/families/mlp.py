"""A multilayer perceptron: the whole episode as one vector, point after point.

It has a weight of its own for every place in the context and every coordinate; nothing
tells it that points are alike. A context that is shorter than there is room for is
followed by zeros, labels included. One hidden layer more than the transformer has
blocks; GELU between.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.families.base import InContextModel
from icl_mlflow.models.families.signed_points import equal_width, signed_points
from icl_mlflow.models.initial import Layout, linear


class MLP(InContextModel):
    """Answers from the episode as one vector."""

    @staticmethod
    def layout(architecture: Architecture) -> Layout:
        """Its parameters, as many as the transformer of this architecture has."""
        return _layout(architecture, _width(architecture))

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """Points with their labels as -1 and 1, the queries last: (B, N + Q, D + 1)."""
        return signed_points(context_x_BND, context_y_BN, query_x_BD)

    def logits(
        self,
        parameters: Parameters,
        features_BSF: Tensor,
        *,
        n_queries: int = 1,
        lengths_B: Tensor | None = None,
        may_fuse: bool = True,
    ) -> Tensor:
        """Log-odds of y_q = 1: (B Q,), in nats; see `InContextModel.logits`.

        Raises:
            ValueError: more context points than there is room for.
        """
        del may_fuse
        a = self.architecture
        n_context, room = features_BSF.shape[1] - n_queries, a.positions - 1
        if n_context > room:
            raise ValueError(
                f"this model has room for {room} context points, not {n_context}; give "
                f"fewer, or build it with positions={n_context + 1}"
            )
        context_BNF = features_BSF[:, :n_context]
        if lengths_B is not None:
            place_N = torch.arange(n_context, device=lengths_B.device)
            is_here_BN = place_N < lengths_B.unsqueeze(-1)
            context_BNF = context_BNF * is_here_BN.unsqueeze(-1)
        context_BNF = F.pad(context_BNF, (0, 0, 0, room - n_context))
        query_BQD = features_BSF[:, n_context:, : a.dim]
        weight = parameters["layers.0.weight"]
        of_context, of_query = weight[:, : -a.dim], weight[:, -a.dim :]
        read_B1H = (context_BNF.flatten(1) @ of_context.t()).unsqueeze(1)
        hidden = read_B1H + query_BQD @ of_query.t() + parameters["layers.0.bias"]
        for index in range(1, a.n_layers + 1):
            name = f"layers.{index}"
            hidden = F.linear(
                F.gelu(hidden), parameters[f"{name}.weight"], parameters[f"{name}.bias"]
            )
        answer = F.linear(
            F.gelu(hidden), parameters["head.weight"], parameters["head.bias"]
        )
        return answer.flatten()


@functools.lru_cache(maxsize=64)
def _width(architecture: Architecture) -> int:
    return equal_width(architecture, lambda width: _layout(architecture, width))


def _layout(architecture: Architecture, width: int) -> Layout:
    a = architecture
    inputs = (a.positions - 1) * (a.dim + 1) + a.dim
    found = linear("layers.0", inputs, width)
    for index in range(1, a.n_layers + 1):
        found |= linear(f"layers.{index}", width, width)
    return found | linear("head", width, 1)
