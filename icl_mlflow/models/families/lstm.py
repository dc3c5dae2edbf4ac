"""A long short-term memory: reads the context point after point, the query last.

As `torch.nn.LSTM` computes it, with one bias a layer, written as a pure function so
that it can be mapped over stacked parameters. What it knows of the context is one state
a layer, from which every query is answered.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.families.base import InContextModel
from icl_mlflow.models.families.signed_points import equal_width, signed_points
from icl_mlflow.models.initial import Initial, Layout, linear

#: What a layer has read so far: its output and its cell, (B, H) each.
State = tuple[Tensor, Tensor]


class LSTM(InContextModel):
    """Answers from a state that it carries from point to point."""

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
        """Log-odds of y_q = 1: (B Q,), in nats; see `InContextModel.logits`."""
        del may_fuse
        n_context = features_BSF.shape[1] - n_queries
        context_BNF = features_BSF[:, :n_context]
        query_BQF = features_BSF[:, n_context:]
        for index in range(self.architecture.n_layers):
            layer = _layer(parameters, index)
            outputs, cells = _read(context_BNF, layer)
            state = (_at(outputs, lengths_B), _at(cells, lengths_B))
            query_BQF = _step(F.linear(query_BQF, *layer[:2]), state, layer)[0]
            # Without a point there is nothing to stack.
            first_BNH = outputs[0].unsqueeze(1)[:, :0]
            context_BNF = torch.stack(outputs[1:], 1) if n_context else first_BNH
        answer = F.linear(query_BQF, parameters["head.weight"], parameters["head.bias"])
        return answer.flatten()


def _layer(parameters: Parameters, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the input, bias, and weights of the layer's own output."""
    names = ("weight_ih", "bias_ih", "weight_hh")
    of_input, bias, of_output = (parameters[f"lstm.{name}_l{index}"] for name in names)
    return of_input, bias, of_output


def _read(
    context_BNF: Tensor, layer: tuple[Tensor, Tensor, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and cells before the first point and after each: N + 1 of (B, H)."""
    of_input, bias, of_output = layer
    start_BH = context_BNF.new_zeros(len(context_BNF), of_output.shape[1])
    outputs, cells = [start_BH], [start_BH]
    for gates_BG in F.linear(context_BNF, of_input, bias).unbind(1):
        output_B1H, cell_B1H = _step(
            gates_BG.unsqueeze(1), (outputs[-1], cells[-1]), layer
        )
        outputs.append(output_B1H.squeeze(1))
        cells.append(cell_B1H.squeeze(1))
    return outputs, cells


def _step(
    gates_BQG: Tensor, state: State, layer: tuple[Tensor, Tensor, Tensor]
) -> State:
    """Outputs and cells, (B, Q, H) each, after inputs that all follow one state.

    Args:
        gates_BQG: what the inputs bring to the four gates, G = 4 H.
        state: before them.
        layer: of `_layer`.
    """
    output_BH, cell_BH = state
    gates_BQG = gates_BQG + (output_BH @ layer[2].t()).unsqueeze(1)
    enter, forget, new, leave = gates_BQG.chunk(4, dim=-1)
    cell_BQH = forget.sigmoid() * cell_BH.unsqueeze(1) + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell_BQH.tanh(), cell_BQH


def _at(states: list[Tensor], lengths_B: Tensor | None) -> Tensor:
    """The state after each episode's last point: (B, H)."""
    if lengths_B is None:
        return states[-1]
    place_N = torch.arange(len(states), device=lengths_B.device)
    is_last_BN = (lengths_B.unsqueeze(-1) == place_N).to(states[0].dtype)
    return (is_last_BN.unsqueeze(-1) * torch.stack(states, dim=1)).sum(1)


@functools.lru_cache(maxsize=64)
def _width(architecture: Architecture) -> int:
    return equal_width(architecture, lambda width: _layout(architecture, width))


def _layout(architecture: Architecture, width: int) -> Layout:
    bound = 1 / math.sqrt(width)
    found: Layout = {}
    for index in range(architecture.n_layers):
        n_inputs = width if index else architecture.dim + 1
        found |= {
            f"lstm.weight_ih_l{index}": Initial((4 * width, n_inputs), uniform=bound),
            f"lstm.weight_hh_l{index}": Initial((4 * width, width), uniform=bound),
            f"lstm.bias_ih_l{index}": Initial((4 * width,), uniform=bound),
        }
    return found | linear("head", width, 1)
