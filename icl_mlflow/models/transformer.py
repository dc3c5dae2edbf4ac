"""The one transformer: parameters by their published names, and two ways through them.

A post-LN encoder with GELU, learned positions and a linear read-out at the query token.
What differs between variants is data: the embedding, what is frozen, what episodes are
shown. Source: arXiv 2603.10573, whose checkpoints load by name.
"""

import torch
from torch import Generator, Tensor, nn

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS
from icl_mlflow.models.forward import layer_parameters, layer_prefix, logits
from icl_mlflow.models.initial import Layout, block, linear
from icl_mlflow.models.inputs import checked_inputs
from icl_mlflow.models.trace import Edit, Trace, trace, unedited


class Transformer(nn.Module):
    """Answers a query from labelled context points, without any weight update.

    Args:
        architecture: the shape of the model.
        rng: the source of its initial weights, on the CPU; seed 0 if not given.
        copied_layers: start every block with the same weights, as
            ``torch.nn.TransformerEncoder`` does and the published model did.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        rng: Generator | None = None,
        copied_layers: bool = True,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        rng = rng if rng is not None else Generator().manual_seed(0)
        for name, initial in layout(architecture).items():
            _place(self, name, nn.Parameter(initial.draw(rng)))
        if copied_layers:
            self._copy_first_layer()

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """The features that the tokens of these episodes are linear in: (B, S, F)."""
        embedding = EMBEDDINGS[self.architecture.embedding]
        return embedding.features(context_x_BND, context_y_BN, query_x_BD)

    def forward(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """Log-odds of y_q = 1: (B,), in nats, by the fast path.

        Args:
            context_x_BND: context points; any N that the position table has room for.
            context_y_BN: their labels, 0 or 1.
            query_x_BD: the query points.

        Raises:
            ValueError: shapes that do not fit, more tokens than positions, a label
                other than 0 and 1, or a value that is not finite; see `checked_inputs`.
        """
        features_BSF = self._checked_features(context_x_BND, context_y_BN, query_x_BD)
        return logits(dict(self.named_parameters()), self.architecture, features_BSF)

    def trace(
        self,
        context_x_BND: Tensor,
        context_y_BN: Tensor,
        query_x_BD: Tensor,
        edit: Edit = unedited,
    ) -> Trace:
        """The same logits by the full path, with every internal quantity beside them.

        Args:
            context_x_BND: as for `forward`.
            context_y_BN: as for `forward`.
            query_x_BD: as for `forward`.
            edit: may replace each quantity before it is used; see `Site`.

        Raises:
            ValueError: as for `forward`.
        """
        features_BSF = self._checked_features(context_x_BND, context_y_BN, query_x_BD)
        parameters = dict(self.named_parameters())
        return trace(parameters, self.architecture, features_BSF, edit)

    def _checked_features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        dtype = next(self.parameters()).dtype
        return self.features(
            *checked_inputs(
                self.architecture, dtype, context_x_BND, context_y_BN, query_x_BD
            )
        )

    @torch.no_grad()
    def _copy_first_layer(self) -> None:
        parameters = dict(self.named_parameters())
        for index in range(1, self.architecture.n_layers):
            for within, value in layer_parameters(parameters, 0).items():
                parameters[layer_prefix(index) + within].copy_(value)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def n_context(self) -> int:
        """The most context points that the position table has room for."""
        per_point = EMBEDDINGS[self.architecture.embedding].n_tokens(1) - 1
        return (self.architecture.positions - 1) // per_point


def layout(architecture: Architecture) -> Layout:
    """Every parameter of the model: its published name, its shape and how it starts.

    The embedding comes last and its position table at the very end, so that models that
    differ only there start with the same blocks and head from the same random numbers.
    """
    found: Layout = {}
    for index in range(architecture.n_layers):
        found |= block(layer_prefix(index), architecture.d_model)
    found |= linear("head", architecture.d_model, 1)
    return found | EMBEDDINGS[architecture.embedding].layout(architecture)


def _place(root: nn.Module, name: str, parameter: nn.Parameter) -> None:
    """Register a parameter under its dotted name, making plain modules on the way."""
    *path, leaf = name.split(".")
    for part in path:
        if part not in dict(root.named_children()):
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    root.register_parameter(leaf, parameter)
