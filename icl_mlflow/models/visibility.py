"""Attention masks: a token attends to all others, or to those that it may see.

In the published model every token attends to every other, the context to the query too.
Where the query is hidden the context's tokens attend to each other alone. What they
become then depends on the context alone, so that one context answers many queries, each
of which attends to the context and to itself.
"""

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=16)
def hiding_mask(
    n_tokens: int, n_queries: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The mask that hides queries, added to the scores: (S, S), 0 or -inf.

    Args:
        n_tokens: S, the queries last.
        n_queries: how many of them are queries.
        dtype: of the scores.
        device: of the scores.

    >>> hiding_mask(3, 1, torch.float32, torch.device("cpu")).exp()
    tensor([[1., 1., 0.],
            [1., 1., 0.],
            [1., 1., 1.]])
    """
    mask_SS = torch.full((n_tokens, n_tokens), float("-inf"), dtype=dtype)
    mask_SS[:, : n_tokens - n_queries] = 0.0
    return mask_SS.fill_diagonal_(0.0).to(device)


def mask_of(x_BSM: Tensor, *, hidden: bool, n_queries: int = 1) -> Tensor | None:
    """`hiding_mask` for these tokens; None where every token attends to every other.

    Several queries are always hidden, from the context and from each other.
    """
    if not hidden and n_queries == 1:
        return None
    return hiding_mask(x_BSM.shape[1], n_queries, x_BSM.dtype, x_BSM.device)
