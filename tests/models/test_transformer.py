"""The transformer is `torch.nn.TransformerEncoder`, by the fast path and the trace."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.models import Architecture, Transformer
from tests.models.small import SMALL, Build, Paired, draw, inputs, relative

BLOCK = {
    "self_attn.in_proj_weight": (72, 24),
    "self_attn.in_proj_bias": (72,),
    "self_attn.out_proj.weight": (24, 24),
    "self_attn.out_proj.bias": (24,),
    "linear1.weight": (96, 24),
    "linear1.bias": (96,),
    "linear2.weight": (24, 96),
    "linear2.bias": (24,),
    "norm1.weight": (24,),
    "norm1.bias": (24,),
    "norm2.weight": (24,),
    "norm2.bias": (24,),
}
PUBLISHED_EMBEDDING = {
    "summed": {
        "x_proj.weight": (24, 4),
        "x_proj.bias": (24,),
        "y_proj.weight": (24, 1),
        "y_proj.bias": (24,),
        "query_proj.weight": (24, 4),
        "query_proj.bias": (24,),
        "pos_emb": (1, 25, 24),
    },
    "x_only": {
        "x_proj.weight": (24, 4),
        "x_proj.bias": (24,),
        "query_proj.weight": (24, 4),
        "query_proj.bias": (24,),
        "pos_emb": (1, 25, 24),
    },
    "interleaved": {
        "x_embed.weight": (24, 4),
        "x_embed.bias": (24,),
        "y_embed.weight": (2, 24),
        "pos_embed": (1, 25, 24),
    },
}

every_embedding = pytest.mark.parametrize("embedding", PUBLISHED_EMBEDDING)


@every_embedding
def test_parameters_have_their_published_names_and_shapes(embedding: str) -> None:
    model = Transformer(replace(SMALL, embedding=embedding))
    expected = dict(PUBLISHED_EMBEDDING[embedding])
    for layer in (0, 1):
        for name, shape in BLOCK.items():
            expected[f"transformer.layers.{layer}.{name}"] = shape
    expected |= {"head.weight": (1, 24), "head.bias": (1,)}
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert found == expected


@every_embedding
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-6)]
)
def test_logits_and_gradients_equal_those_of_torch(
    embedding: str,
    n_layers: int,
    dtype: torch.dtype,
    tolerance: float,
    paired: Paired,
) -> None:
    architecture = replace(SMALL, embedding=embedding, n_layers=n_layers)
    model, torchs = paired(architecture, dtype)
    episodes = draw()
    # One label for all, so that the sum over episodes does not cancel.
    label_B = torch.ones(16, dtype=dtype)
    gradients: list[dict[str, Tensor]] = []
    logits = []
    for network in (model, torchs):
        logit_B = network(*inputs(episodes, dtype))
        binary_cross_entropy_with_logits(logit_B, label_B).backward()
        logits.append(logit_B.detach())
        named = network.named_parameters()
        gradients.append({n: p.grad for n, p in named if p.grad is not None})
    assert relative(*logits) <= tolerance

    found, expected = gradients
    assert found.keys() == expected.keys() == dict(model.named_parameters()).keys()
    for name, gradient in expected.items():
        if name.endswith("in_proj_bias"):
            # The keys' bias shifts all scores alike: its gradient is zero but for
            # rounding, which is no number to compare.
            (query, key, value), ours = gradient.chunk(3), found[name].chunk(3)
            assert float(key.abs().max()) <= tolerance * float(gradient.abs().max())
            assert float(ours[1].abs().max()) <= tolerance * float(gradient.abs().max())
            assert relative(ours[0], query) <= tolerance
            assert relative(ours[2], value) <= tolerance
        else:
            assert relative(found[name], gradient) <= tolerance, name


@every_embedding
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_the_trace_gives_the_logits_of_the_fast_path(
    embedding: str, n_layers: int, randomised: Build
) -> None:
    architecture = replace(SMALL, embedding=embedding, n_layers=n_layers)
    model = randomised(architecture, torch.float64)
    episodes = inputs(draw(), torch.float64)
    assert relative(model(*episodes), model.trace(*episodes).logit_B) <= 1e-12


@every_embedding
def test_the_residual_stream_is_that_of_torch(embedding: str, paired: Paired) -> None:
    model, torchs = paired(replace(SMALL, embedding=embedding), torch.float64)
    episodes = inputs(draw(), torch.float64)
    x_BSM = torchs.tokens(*episodes)
    trace = model.trace(*episodes)
    assert relative(trace.residual_BSM[0], x_BSM) <= 1e-12
    for index, layer in enumerate(torchs.transformer.layers):
        _, pattern_BHSS = layer.self_attn(
            x_BSM, x_BSM, x_BSM, average_attn_weights=False
        )
        assert relative(trace.pattern_BHSS[index], pattern_BHSS) <= 1e-12
        x_BSM = layer(x_BSM)
        assert relative(trace.residual_BSM[index + 1], x_BSM) <= 1e-12


def test_the_published_size() -> None:
    """The default is the paper's: two layers, four heads, width 128, 33 tokens."""
    model = Transformer(Architecture())
    per_block = 12 * 128**2 + 13 * 128
    embedding = 2 * (16 + 1) * 128 + 2 * 128 + 33 * 128
    total = sum(p.numel() for p in model.parameters())
    assert total == 2 * per_block + embedding + 128 + 1
    assert model.n_context == 32
