"""How many floating-point operations a training step needs, counted on paper.

Matrix products only, a multiplication and an addition each: (a x b) @ (b x c) is 2abc.
The backward pass makes two more products of the same size of each, one for either side,
but for products with the episodes themselves, which need no gradient, only one.
Shape suffixes are those of `icl_mlflow.episodes`; the embedding is the summed one.
"""

from dataclasses import dataclass

from icl_mlflow.models import Architecture


@dataclass(frozen=True)
class Count:
    """Of a batch.

    Attributes:
        forward: of the forward pass.
        of_data: those of `forward` in which one side is made of the episodes alone.
    """

    forward: int
    of_data: int

    @property
    def step(self) -> int:
        """Forward and backward."""
        return 3 * self.forward - self.of_data


def full(architecture: Architecture, n_context: int, batch_size: int) -> Count:
    """Every block at every token, as ``torch.nn.TransformerEncoder`` computes it."""
    B, S, M = batch_size, n_context + 1, architecture.d_model
    embedding = 2 * B * S * _features(architecture) * M
    blocks = architecture.n_layers * (_projection(B, S, M) + _block(B, S, M))
    return Count(forward=embedding + blocks + 2 * B * M, of_data=embedding)


def pruned(architecture: Architecture, n_context: int, batch_size: int) -> Count:
    """What `icl_mlflow.models.forward` computes: pruned, absorbed and folded."""
    B, S, M = batch_size, n_context + 1, architecture.d_model
    F, L = _features(architecture), architecture.n_layers
    of_data = 2 * B * S * F * M
    forward = of_data + _query_block(B, S, M, architecture.n_heads) + 2 * B * M
    if L > 1:
        # The first projection, folded: weights with weights, then the episodes once.
        folded = 2 * B * S * F * 3 * M
        of_data += folded
        forward += folded + 2 * (F + S) * M * 3 * M
        forward += (L - 2) * _projection(B, S, M) + (L - 1) * _block(B, S, M)
    return Count(forward=forward, of_data=of_data)


def _features(architecture: Architecture) -> int:
    """Columns for x and y of the context, and others for x of the query."""
    return 2 * architecture.dim + 1


def _projection(B: int, S: int, M: int) -> int:
    """Queries, keys and values of every token."""
    return 2 * B * S * M * 3 * M


def _block(B: int, S: int, M: int) -> int:
    """Scores and mixture of all pairs of tokens, and what comes after."""
    return 2 * (2 * B * S * S * M) + _after_attention(B * S, M)


def _query_block(B: int, S: int, M: int, H: int) -> int:
    """One query an episode: projected, absorbed, mixed; by head scored and gathered."""
    products = 3 * (2 * B * M * M) + 2 * (2 * B * H * S * M)
    return products + _after_attention(B, M)


def _after_attention(rows: int, M: int) -> int:
    """The output projection and an MLP four times as wide."""
    return 2 * rows * M * M + 2 * (2 * rows * M * 4 * M)
