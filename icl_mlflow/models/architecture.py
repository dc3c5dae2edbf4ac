"""The architecture: all that fixes the shape of a model."""

from dataclasses import dataclass

from icl_mlflow.models.families import FAMILIES
from icl_mlflow.settings import check, setting


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a model.

    Attributes:
        dim: dimension D of x.
        positions: rows of the position table: the most tokens an episode may make.
        d_model: width M of the residual stream; the MLP is four times as wide.
        n_layers: transformer blocks.
        n_heads: attention heads H of a block; divides ``d_model``.
        embedding: how episodes become tokens.
        query_hidden: whether the context's tokens attend to each other alone.
        norm: where a block normalises: after each addition (``post``), or before
            attention and before the MLP (``pre``).
        attention: how scores become weights: ``softmax``, or as they are, over the
            number of tokens seen (``linear``).
        family: of models, `icl_mlflow.models.families`; one without blocks is made as
            large as the transformer of these numbers.
    """

    dim: int = setting(16, "Dimension of x.", minimum=1, maximum=65_536)
    positions: int = setting(33, "Rows of the position table.", minimum=1)
    d_model: int = setting(
        128, "Width of the residual stream.", minimum=1, maximum=16_384
    )
    n_layers: int = setting(2, "Transformer blocks.", minimum=1, maximum=1_000)
    n_heads: int = setting(4, "Attention heads per block.", minimum=1)
    embedding: str = setting(
        "summed",
        "How an episode becomes tokens.",
        choices=lambda: ("summed", "interleaved", "x_only"),
    )
    query_hidden: bool = setting(
        default=False, text="Whether the context's tokens attend to each other alone."
    )
    norm: str = setting(
        "post", "Where a block normalises.", choices=lambda: ("post", "pre")
    )
    attention: str = setting(
        "softmax",
        "How scores become weights.",
        choices=lambda: ("softmax", "linear"),
    )
    family: str = setting(
        "transformer", "Family of the model.", choices=lambda: FAMILIES
    )

    def __post_init__(self) -> None:
        check(self)
        if self.family != "transformer" and self.embedding != "summed":
            raise ValueError(
                f"family={self.family} reads points with their labels: embedding must "
                f"be summed, not {self.embedding}"
            )
        if self.d_model % self.n_heads:
            divisors = [n for n in range(1, self.d_model + 1) if self.d_model % n == 0]
            raise ValueError(
                f"n_heads={self.n_heads} does not divide d_model={self.d_model}; "
                f"choose one of: {', '.join(map(str, divisors))}"
            )

    @property
    def is_published(self) -> bool:
        """Whether it is the published model: post-LN blocks with softmax attention."""
        of_blocks = (self.family, self.norm, self.attention)
        return of_blocks == ("transformer", "post", "softmax")

    @property
    def head_width(self) -> int:
        """Width K of one attention head."""
        return self.d_model // self.n_heads
