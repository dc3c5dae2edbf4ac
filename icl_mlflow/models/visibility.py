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


def mask_of(
    x_BSM: Tensor,
    *,
    hidden: bool,
    n_queries: int = 1,
    n_seen_B: Tensor | None = None,
) -> Tensor | None:
    """The mask for these tokens: (S, S), or (B, S, S) where episodes are padded.

    None where every token attends to every other. Several queries are always hidden,
    from the context and from each other.

    Args:
        x_BSM: the tokens.
        hidden: whether the context's tokens attend to each other alone.
        n_queries: how many of the last tokens are queries.
        n_seen_B: tokens of the context of each episode; those behind are padding, seen
            by themselves alone. None without padding.
    """
    is_seen = visible(x_BSM, hidden=hidden, n_queries=n_queries, n_seen_B=n_seen_B)
    if is_seen is None:
        return None
    if n_seen_B is None:
        return hiding_mask(x_BSM.shape[1], n_queries, x_BSM.dtype, x_BSM.device)
    return torch.zeros_like(is_seen, dtype=x_BSM.dtype).masked_fill(
        ~is_seen, float("-inf")
    )


def visible(
    x_BSM: Tensor,
    *,
    hidden: bool,
    n_queries: int = 1,
    n_seen_B: Tensor | None = None,
) -> Tensor | None:
    """Which tokens see which, seers by seen: bool of the shape of `mask_of`.

    Args:
        x_BSM: as there.
        hidden: as there.
        n_queries: as there.
        n_seen_B: as there.
    """
    hides = hidden or n_queries > 1
    if not hides and n_seen_B is None:
        return None
    n_tokens = x_BSM.shape[1]
    place_S = torch.arange(n_tokens, device=x_BSM.device)
    is_query_S = place_S >= n_tokens - n_queries
    itself_SS = torch.eye(n_tokens, dtype=torch.bool, device=x_BSM.device)
    if n_seen_B is None:
        return ~is_query_S | itself_SS
    is_shown_BS = place_S < n_seen_B.unsqueeze(-1)
    if not hides:
        is_shown_BS = is_shown_BS | is_query_S
    return is_shown_BS.unsqueeze(-2) | itself_SS
