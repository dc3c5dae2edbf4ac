"""The terms of a logit sum to it, and each is what its part wrote."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from tests.models.small import SMALL, Build, draw, inputs

ARCHITECTURES = {
    **{name: replace(SMALL, embedding=name) for name in EMBEDDINGS},
    "query hidden": replace(SMALL, query_hidden=True),
    "one layer": replace(SMALL, n_layers=1),
    "four heads": replace(SMALL, n_heads=4, n_layers=3),
}


@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_the_terms_sum_to_the_logit(
    architecture: Architecture, dtype: torch.dtype, within: float, randomised: Build
) -> None:
    model = randomised(architecture, dtype)
    episodes = inputs(draw(), dtype)
    found = model.attribution(*episodes)
    assert len(found.terms) == (5 + architecture.n_heads) * architecture.n_layers + 3
    total_B = torch.stack(list(found.terms.values())).sum(0)
    torch.testing.assert_close(total_B, found.logit_B, rtol=within, atol=within)
    assert torch.equal(found.logit_B, model.trace(*episodes).logit_B)


def test_heads_are_split_by_source_and_mlps_by_neuron(randomised: Build) -> None:
    model = randomised(SMALL, torch.float64)
    found = model.attribution(*inputs(draw(), torch.float64))
    for layer in (1, 2):
        by_source_BHS = found.by_source_BHS[layer - 1]
        assert by_source_BHS.shape == (16, 3, 13)
        for head in (1, 2, 3):
            term_B = found.terms[f"layer {layer} head {head}"]
            torch.testing.assert_close(by_source_BHS[:, head - 1].sum(-1), term_B)
        by_neuron_BF = found.by_neuron_BF[layer - 1]
        assert by_neuron_BF.shape == (16, 96)
        torch.testing.assert_close(
            by_neuron_BF.sum(-1), found.terms[f"layer {layer} MLP"]
        )


def silenced(model: Transformer, name: str) -> Transformer:
    with torch.no_grad():
        model.get_parameter(name).zero_()
    return model


@pytest.mark.parametrize(
    ("parameter", "components"),
    [
        ("transformer.layers.1.linear2.weight", {"layer 2 MLP"}),
        ("transformer.layers.0.linear2.bias", {"layer 1 MLP bias"}),
        (
            "transformer.layers.1.self_attn.out_proj.weight",
            {f"layer 2 head {head}" for head in (1, 2, 3)},
        ),
        ("transformer.layers.0.norm1.bias", {"layer 1 norm 1 bias"}),
        ("query_proj.weight", {"query"}),
        ("head.bias", {"read-out bias"}),
    ],
)
def test_a_part_without_weights_writes_nothing(
    parameter: str, components: set[str], randomised: Build
) -> None:
    model = silenced(randomised(SMALL, torch.float64), parameter)
    found = model.attribution(*inputs(draw(), torch.float64))
    silent = {name for name, term_B in found.terms.items() if not term_B.any()}
    assert silent == components


def test_the_last_norms_scale_is_the_episodes_own(randomised: Build) -> None:
    """Of one layer's MLP the term is read off by hand."""
    model = randomised(replace(SMALL, n_layers=1), torch.float64)
    episodes = inputs(draw(), torch.float64)
    _, cache = model.run_with_cache(*episodes)

    def part(name: str) -> Tensor:
        return model.get_parameter(name).detach()

    hidden_BF = cache["blocks.0.mlp.hook_post"][:, -1]
    written_BM = hidden_BF @ part("transformer.layers.0.linear2.weight").T
    scale_B1 = cache["blocks.0.ln2.hook_scale"][:, -1]
    centred_BM = written_BM - written_BM.mean(-1, keepdim=True)
    normed_BM = centred_BM / scale_B1 * part("transformer.layers.0.norm2.weight")
    term_B = normed_BM @ part("head.weight")[0]
    found = model.attribution(*episodes).terms["layer 1 MLP"]
    torch.testing.assert_close(found, term_B, rtol=1e-12, atol=1e-12)
