"""The interface of every model: labelled points and a query in, log-odds out.

A family says which parameters a model has (`layout`) and computes its answers as a pure
function of them (`logits`), so that one step can train many models at once.
"""

from abc import abstractmethod

import torch
from torch import Generator, Tensor, nn

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.initial import Layout
from icl_mlflow.models.inputs import checked_inputs
from icl_mlflow.models.placement import place


class InContextModel(nn.Module):
    """Answers a query from labelled context points, without any weight update.

    Args:
        architecture: the shape of the model.
        rng: the source of its initial weights, on the CPU; seed 0 if not given.
        copied_layers: start every block alike, where the family has blocks.
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
        for name, initial in self.layout(architecture).items():
            place(self, name, nn.Parameter(initial.draw(rng)))
        if copied_layers:
            self.copy_layers()

    @staticmethod
    @abstractmethod
    def layout(architecture: Architecture) -> Layout:
        """Every parameter of such a model: its name, its shape and how it starts."""

    @abstractmethod
    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """What the model reads of these episodes: (B, S, F), the queries last.

        The queries may be several to a context, (B, Q, D).
        """

    @abstractmethod
    def logits(
        self,
        parameters: Parameters,
        features_BSF: Tensor,
        *,
        n_queries: int = 1,
        lengths_B: Tensor | None = None,
        may_fuse: bool = True,
    ) -> Tensor:
        """Log-odds of y_q = 1, in nats: (B,); (B Q,) of several queries to a context.

        Args:
            parameters: by name, of the shapes of `layout`.
            features_BSF: of `features`.
            n_queries: Q, the last tokens of every episode.
            lengths_B: context points of each episode, int64; what stands behind them is
                padding, which changes nothing. None where there is none.
            may_fuse: take kernels that `torch.vmap` would call once a model.
        """

    def forward(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """Log-odds of y_q = 1: (B,), in nats.

        Args:
            context_x_BND: context points; any N that the model has room for.
            context_y_BN: their labels, 0 or 1.
            query_x_BD: the query points.

        Raises:
            ValueError: shapes that do not fit, more points than there is room for, a
                label other than 0 and 1, or a value that is not finite; see
                `checked_inputs`.
        """
        features_BSF = self._checked_features(context_x_BND, context_y_BN, query_x_BD)
        return self.logits(dict(self.named_parameters()), features_BSF)

    def copy_layers(self) -> None:
        """Start every block alike, where the family has blocks."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def n_context(self) -> int:
        """The most context points that there is room for."""
        per_point = EMBEDDINGS[self.architecture.embedding].n_tokens(1) - 1
        return (self.architecture.positions - 1) // per_point

    def _checked_features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        dtype = next(self.parameters()).dtype
        return self.features(
            *checked_inputs(
                self.architecture, dtype, context_x_BND, context_y_BN, query_x_BD
            )
        )
