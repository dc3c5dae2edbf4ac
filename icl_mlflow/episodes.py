"""A batch of in-context classification episodes.

Shape suffixes, used in every module of the package:
  B = episodes in the batch, N = context points per episode, D = dimension of x,
  S = tokens, M = width of the residual stream, H = attention heads, K = width of one,
  F = features of the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, repr=False)
class Episodes:
    """Labelled context points and one query per episode, with what generated them.

    Attributes:
        context_x_BND: context points.
        context_y_BN: their labels, int64, 0 or 1.
        query_x_BD: the query point.
        query_y_B: its label, int64, 0 or 1; what a model must answer.
        latents: the episode's own parameters by name, first axis B; hidden from models.
    """

    context_x_BND: Tensor
    context_y_BN: Tensor
    query_x_BD: Tensor
    query_y_B: Tensor
    latents: Mapping[str, Tensor]

    @classmethod
    def of_points(
        cls, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Episodes:
        """Episodes whose query is the last of S = N + 1 points, as views of these."""
        n_context = y_BS.shape[1] - 1
        return cls(
            context_x_BND=x_BSD.narrow(1, 0, n_context),
            context_y_BN=y_BS.narrow(1, 0, n_context),
            query_x_BD=x_BSD.select(1, n_context),
            query_y_B=y_BS.select(1, n_context),
            latents=latents,
        )

    def __len__(self) -> int:
        return self.query_y_B.shape[0]

    def __repr__(self) -> str:
        known = ", ".join(self.latents) or "none"
        return (
            f"Episodes({len(self):,}, n_context={self.n_context}, dim={self.dim}, "
            f"latents: {known})"
        )

    @property
    def n_context(self) -> int:
        """Context points per episode."""
        return self.context_y_BN.shape[1]

    @property
    def dim(self) -> int:
        """Dimension of x."""
        return self.query_x_BD.shape[1]

    def first(self, n_context: int) -> Episodes:
        """The same episodes, seen with only their first ``n_context`` points."""
        return Episodes(
            context_x_BND=self.context_x_BND[:, :n_context],
            context_y_BN=self.context_y_BN[:, :n_context],
            query_x_BD=self.query_x_BD,
            query_y_B=self.query_y_B,
            latents=self.latents,
        )

    def for_queries(self, query_x_BQD: Tensor, query_y_BQ: Tensor) -> Episodes:
        """One episode for each of Q queries to the same context: B Q of them."""
        n_queries = query_y_BQ.shape[1]
        return Episodes(
            context_x_BND=self.context_x_BND.repeat_interleave(n_queries, 0),
            context_y_BN=self.context_y_BN.repeat_interleave(n_queries, 0),
            query_x_BD=query_x_BQD.flatten(0, 1),
            query_y_B=query_y_BQ.flatten(),
            latents={
                name: value.repeat_interleave(n_queries, 0)
                for name, value in self.latents.items()
            },
        )

    def rows(self, start: int, stop: int) -> Episodes:
        """Episodes ``start`` to ``stop``, as views."""
        return Episodes(
            context_x_BND=self.context_x_BND[start:stop],
            context_y_BN=self.context_y_BN[start:stop],
            query_x_BD=self.query_x_BD[start:stop],
            query_y_B=self.query_y_B[start:stop],
            latents={name: value[start:stop] for name, value in self.latents.items()},
        )

    def chosen(self, index: Tensor) -> Episodes:
        """The episodes at these places, in their order."""
        return Episodes(
            context_x_BND=self.context_x_BND[index],
            context_y_BN=self.context_y_BN[index],
            query_x_BD=self.query_x_BD[index],
            query_y_B=self.query_y_B[index],
            latents={name: value[index] for name, value in self.latents.items()},
        )

    def chunks(self, most_points: int) -> Iterator[Episodes]:
        """Consecutive parts of at most so many points each, the query among them.

        So what is computed of a part has a bounded size, however long the context is;
        a part has one episode at least.
        """
        size = max(1, most_points // (self.n_context + 1))
        for start in range(0, len(self), size):
            yield self.rows(start, start + size)

    def to(self, device: torch.device | str) -> Episodes:
        """The same episodes on ``device``."""
        return Episodes(
            context_x_BND=self.context_x_BND.to(device),
            context_y_BN=self.context_y_BN.to(device),
            query_x_BD=self.query_x_BD.to(device),
            query_y_B=self.query_y_B.to(device),
            latents={name: value.to(device) for name, value in self.latents.items()},
        )
