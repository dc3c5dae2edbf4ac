"""Embeddings of an episode: summed (x, y), interleaved x and y, or x alone.

Every embedding here is linear: tokens = features @ weight + table, with features made
of the episode alone and weight and table of the parameters alone. That is what lets the
transformer fold its first attention projection into the embedding. Parameter names are
those of the checkpoints published with arXiv 2603.10573.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.initial import Initial, Layout, linear

Parameters = Mapping[str, Tensor]


class Embedding(Protocol):
    """A linear map from an episode to tokens; the query is always the last token."""

    def n_tokens(self, n_context: int) -> int:
        """Tokens S for ``n_context`` points and one query."""
        ...

    def layout(self, architecture: Architecture) -> Layout:
        """Its parameters: name to shape and initial distribution."""
        ...

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """The features that the tokens are linear in: (B, S, F).

        The queries may be several to a context, (B, Q, D): then its last Q tokens.
        """
        ...

    def weight(self, parameters: Parameters) -> Tensor:
        """The linear map from features to the residual stream: (F, M)."""
        ...

    def table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        """Position and bias of every token: (S, M)."""
        ...

    def query_table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        """Position and bias of a query that is token 0, 1, ... of S: (S, M)."""
        ...


def _table(architecture: Architecture) -> Initial:
    return Initial((1, architecture.positions, architecture.d_model), normal=0.02)


def _positions(parameter: Tensor, n_tokens: int) -> Tensor:
    """The first rows of a (1, positions, M) table."""
    if n_tokens > parameter.shape[1]:
        raise ValueError(
            f"the position table has {parameter.shape[1]} rows, "
            f"but the episode makes {n_tokens} tokens; give fewer context points, or "
            f"build the model with positions={n_tokens}"
        )
    return parameter[0, :n_tokens]


def _split_context_and_query(
    context_BNF: Tensor, query_x_BD: Tensor, n_context_features: int
) -> Tensor:
    """Context in the first columns, the queries' x in the last: (B, N + Q, F)."""
    n_episodes, n_context, _ = context_BNF.shape
    query_x_BQD = _queries(query_x_BD)
    _, n_queries, dim = query_x_BQD.shape
    shape = (n_episodes, n_context + n_queries, n_context_features + dim)
    features_BSF = query_x_BD.new_zeros(shape)
    features_BSF[:, :n_context, :n_context_features] = context_BNF
    features_BSF[:, n_context:, n_context_features:] = query_x_BQD
    return features_BSF


def _queries(query_x_BD: Tensor) -> Tensor:
    """Queries as (B, Q, D), also where they are (B, D): one to a context."""
    return query_x_BD.view(len(query_x_BD), -1, query_x_BD.shape[-1])


class Summed:
    """One token a context point, x and y added; one token for the query."""

    def n_tokens(self, n_context: int) -> int:
        return n_context + 1

    def layout(self, architecture: Architecture) -> Layout:
        a = architecture
        return {
            **linear("x_proj", a.dim, a.d_model),
            **linear("query_proj", a.dim, a.d_model),
            **linear("y_proj", 1, a.d_model),
            "pos_emb": _table(a),
        }

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        y_BN1 = context_y_BN.to(context_x_BND.dtype).unsqueeze(-1)
        context_BNF = torch.cat([context_x_BND, y_BN1], dim=-1)
        return _split_context_and_query(context_BNF, query_x_BD, context_BNF.shape[-1])

    def weight(self, parameters: Parameters) -> Tensor:
        names = ("x_proj.weight", "y_proj.weight", "query_proj.weight")
        return torch.cat([parameters[name] for name in names], dim=1).t()

    def table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        context_M = parameters["x_proj.bias"] + parameters["y_proj.bias"]
        return _positions(parameters["pos_emb"], n_tokens) + _bias_rows(
            context_M, parameters["query_proj.bias"], n_tokens
        )

    def query_table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        positions_SM = _positions(parameters["pos_emb"], n_tokens)
        return positions_SM + parameters["query_proj.bias"]


class XOnly:
    """The context without its labels: one token a point, x alone."""

    def n_tokens(self, n_context: int) -> int:
        return n_context + 1

    def layout(self, architecture: Architecture) -> Layout:
        a = architecture
        return {
            **linear("x_proj", a.dim, a.d_model),
            **linear("query_proj", a.dim, a.d_model),
            "pos_emb": _table(a),
        }

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        del context_y_BN  # the point of this embedding
        return _split_context_and_query(
            context_x_BND, query_x_BD, context_x_BND.shape[-1]
        )

    def weight(self, parameters: Parameters) -> Tensor:
        names = ("x_proj.weight", "query_proj.weight")
        return torch.cat([parameters[name] for name in names], dim=1).t()

    def table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        return _positions(parameters["pos_emb"], n_tokens) + _bias_rows(
            parameters["x_proj.bias"], parameters["query_proj.bias"], n_tokens
        )

    def query_table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        positions_SM = _positions(parameters["pos_emb"], n_tokens)
        return positions_SM + parameters["query_proj.bias"]


class Interleaved:
    """x_1, y_1, ..., x_N, y_N, x_query: two tokens a context point."""

    def n_tokens(self, n_context: int) -> int:
        return 2 * n_context + 1

    def layout(self, architecture: Architecture) -> Layout:
        a = architecture
        return {
            **linear("x_embed", a.dim, a.d_model),
            "y_embed.weight": Initial((2, a.d_model), normal=1.0),
            "pos_embed": _table(a),
        }

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        n_episodes, n_context, dim = context_x_BND.shape
        y_BN = context_y_BN.to(context_x_BND.dtype)
        query_x_BQD = _queries(query_x_BD)
        n_first = 2 * n_context
        shape = (n_episodes, n_first + query_x_BQD.shape[1], dim + 2)
        features_BSF = context_x_BND.new_zeros(shape)
        features_BSF[:, 0:n_first:2, :dim] = context_x_BND
        features_BSF[:, 1:n_first:2, dim] = 1 - y_BN
        features_BSF[:, 1:n_first:2, dim + 1] = y_BN
        features_BSF[:, n_first:, :dim] = query_x_BQD
        return features_BSF

    def weight(self, parameters: Parameters) -> Tensor:
        return torch.cat(
            [parameters["x_embed.weight"].t(), parameters["y_embed.weight"]], dim=0
        )

    def table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        bias_M = parameters["x_embed.bias"]
        is_x_S1 = (torch.arange(n_tokens, device=bias_M.device) % 2 == 0).unsqueeze(-1)
        return _positions(parameters["pos_embed"], n_tokens) + is_x_S1 * bias_M

    def query_table(self, parameters: Parameters, n_tokens: int) -> Tensor:
        positions_SM = _positions(parameters["pos_embed"], n_tokens)
        return positions_SM + parameters["x_embed.bias"]


def _bias_rows(context_M: Tensor, query_M: Tensor, n_tokens: int) -> Tensor:
    """The context's bias for every token but the last, the query's for the last."""
    context_SM = context_M.expand(n_tokens - 1, -1)
    return torch.cat([context_SM, query_M.unsqueeze(0)], dim=0)


EMBEDDINGS: Mapping[str, Embedding] = {
    "summed": Summed(),
    "interleaved": Interleaved(),
    "x_only": XOnly(),
}
