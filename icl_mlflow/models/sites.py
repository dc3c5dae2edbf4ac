"""Where the internal quantities of a model are, and how they are called.

A site is a quantity at a depth. Its hook name is the one that users of TransformerLens
know from its post-LN block: there too the norms come after each addition, so that
``hook_resid_mid`` and ``hook_resid_post`` are the streams *before* their norms.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Quantity = Literal[
    "residual",
    "query",
    "key",
    "value",
    "score",
    "pattern",
    "head_output",
    "attention_output",
    "mid",
    "mid_scale",
    "mid_normed",
    "hidden_input",
    "hidden",
    "mlp_output",
    "post",
    "post_scale",
]

#: Within a block; the residual stream that enters it, and the one that leaves it.
_HOOKS: dict[Quantity, str] = {
    "residual": "hook_resid_pre",
    "query": "attn.hook_q",
    "key": "attn.hook_k",
    "value": "attn.hook_v",
    "score": "attn.hook_attn_scores",
    "pattern": "attn.hook_pattern",
    "head_output": "attn.hook_z",
    "attention_output": "hook_attn_out",
    "mid": "hook_resid_mid",
    "mid_scale": "ln1.hook_scale",
    "mid_normed": "ln1.hook_normalized",
    "hidden_input": "mlp.hook_pre",
    "hidden": "mlp.hook_post",
    "mlp_output": "hook_mlp_out",
    "post": "hook_resid_post",
    "post_scale": "ln2.hook_scale",
}
_LEAVES = "hook_normalized_resid_post"

#: Quantities by head, (B, H, S, K); as hooks have them, (B, S, H, K).
BY_HEAD: frozenset[Quantity] = frozenset({"query", "key", "value", "head_output"})


@dataclass(frozen=True)
class Site:
    """Where an internal quantity is.

    Attributes:
        quantity: one of

            ``residual`` (B, S, M), the stream after ``layer`` blocks;
            ``query``, ``key``, ``value`` (B, H, S, K);
            ``score`` and ``pattern`` (B, H, S, S), queries by keys: attention before
            and after the softmax;
            ``head_output`` (B, H, S, K), before the output projection;
            ``attention_output`` (B, S, M), what attention adds to the stream;
            ``mid`` (B, S, M), the stream after that addition, before its norm,
            ``mid_scale`` (B, S, 1), by which that norm divides, and
            ``mid_normed`` (B, S, M), the stream after it;
            ``hidden_input`` and ``hidden`` (B, S, 4M), the MLP before and after GELU;
            ``mlp_output`` (B, S, M), what the MLP adds to the stream;
            ``post`` (B, S, M) and ``post_scale`` (B, S, 1), as after attention.
        layer: the block, from 0; for ``residual``, how many blocks have been passed.
    """

    quantity: Quantity
    layer: int

    def hook_names(self, n_layers: int) -> tuple[str, ...]:
        """Its names among hooks; the stream between two blocks has two.

        >>> Site("residual", 1).hook_names(n_layers=2)
        ('blocks.1.hook_resid_pre', 'blocks.0.hook_normalized_resid_post')
        """
        if self.quantity != "residual":
            return (f"blocks.{self.layer}.{_HOOKS[self.quantity]}",)
        names = []
        if self.layer < n_layers:
            names.append(f"blocks.{self.layer}.{_HOOKS['residual']}")
        if self.layer:
            names.append(f"blocks.{self.layer - 1}.{_LEAVES}")
        return tuple(names)


def sites(n_layers: int) -> tuple[Site, ...]:
    """All sites of a model, in the order of its computation.

    >>> len(sites(2))
    33
    """
    found = [Site("residual", 0)]
    for layer in range(n_layers):
        found += [Site(name, layer) for name in get_args(Quantity) if name in _WITHIN]
        found.append(Site("residual", layer + 1))
    return tuple(found)


_WITHIN = frozenset(_HOOKS) - {"residual"}
