"""The same model put together from torch's modules, for tools that attach hooks.

`Transformer` computes with functions, so hooks on its modules never fire. Its twin has
the same parameters by the same names in a `torch.nn.TransformerEncoder`, every part of
which is called: forward hooks, nnsight, captum and torchinfo find what they look for.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS
from icl_mlflow.models.forward import split_heads
from icl_mlflow.models.inputs import checked_inputs
from icl_mlflow.models.placement import place
from icl_mlflow.models.visibility import mask_of


class TorchTwin(nn.Module):
    """A `torch.nn.TransformerEncoder` with the embedding and the read-out around it.

    Attributes:
        tokens: is handed the embedded episodes, (B, S, M), and does nothing to them.
        transformer: the encoder. Of each of its ``layers``, ``self_attn.pattern`` is
            handed the attention weights (B, H, S, S), ``self_attn.z`` the heads'
            outputs (B, H, S, K), ``activation`` the MLP's hidden units (B, S, 4M).
        head: reads the answer off the query's token.

    Args:
        architecture: the shape of the model.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        layer = nn.TransformerEncoderLayer(
            a.d_model,
            a.n_heads,
            4 * a.d_model,
            dropout=0.0,
            activation=nn.GELU(),
            batch_first=True,
        )
        layer.self_attn = VisibleAttention(a.d_model, a.n_heads)  # type: ignore[assignment]
        self.tokens = nn.Identity()
        self.transformer = nn.TransformerEncoder(
            layer, a.n_layers, enable_nested_tensor=False
        )
        self.head = nn.Linear(a.d_model, 1)
        for name, initial in EMBEDDINGS[a.embedding].layout(a).items():
            place(self, name, nn.Parameter(torch.zeros(initial.shape)))

    def forward(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """Log-odds of y_q = 1: (B,), in nats; arguments as for `Transformer`."""
        embedding = EMBEDDINGS[self.architecture.embedding]
        dtype = self.head.weight.dtype
        features_BSF = embedding.features(
            *checked_inputs(
                self.architecture, dtype, context_x_BND, context_y_BN, query_x_BD
            )
        )
        parameters = dict(self.named_parameters())
        table_SM = embedding.table(parameters, features_BSF.shape[1])
        x_BSM = self.tokens(features_BSF @ embedding.weight(parameters) + table_SM)
        mask_SS = mask_of(x_BSM, hidden=self.architecture.query_hidden)
        x_BSM = self.transformer(x_BSM, mask_SS)
        logit_B1: Tensor = self.head(x_BSM[:, -1])
        return logit_B1.squeeze(-1)


class VisibleAttention(nn.Module):
    """Multi-head self-attention, with the parameters of `torch.nn.MultiheadAttention`.

    That one computes in one go: what its heads put out cannot be hooked, and its
    ``out_proj`` is never called.

    Args:
        d_model: width M of the stream.
        n_heads: H, which divides it.
    """

    #: Makes `torch.nn.TransformerEncoderLayer` leave its fast path, which calls no
    #: module; arguments have the batch first all the same.
    batch_first = False

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.num_heads = n_heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)
        self.pattern = nn.Identity()
        self.z = nn.Identity()

    def forward(
        self,
        query: Tensor,
        _key: Tensor,
        _value: Tensor,
        attn_mask: Tensor | None = None,
        **_options: object,
    ) -> tuple[Tensor, None]:
        """What attention adds to the stream (B, S, M), as torch's layers ask for it."""
        qkv_BSM = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        query_BHSK, key_BHSK, value_BHSK = split_heads(qkv_BSM, self.num_heads)
        score_BHSS = query_BHSK @ key_BHSK.transpose(-2, -1)
        score_BHSS = score_BHSS / math.sqrt(query_BHSK.shape[-1])
        if attn_mask is not None:
            score_BHSS = score_BHSS + attn_mask
        z_BHSK = self.z(self.pattern(score_BHSS.softmax(-1)) @ value_BHSK)
        return self.out_proj(z_BHSK.transpose(1, 2).reshape(query.shape)), None
