"""The twin answers as the model does, and hooks on it see and change its insides."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from icl_mlflow.models import EMBEDDINGS, Architecture, Site, Transformer
from icl_mlflow.models.interventions import zeroed
from tests.models.small import SMALL, Build, draw, inputs, relative

Episodes = tuple[Tensor, Tensor, Tensor]

ARCHITECTURES = {
    **{name: replace(SMALL, embedding=name) for name in EMBEDDINGS},
    "query hidden": replace(SMALL, query_hidden=True),
    "one layer, two heads": replace(SMALL, n_layers=1, n_heads=2),
}


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_it_answers_as_the_model_does(
    architecture: Architecture,
    dtype: torch.dtype,
    within: float,
    gradients: bool,
    randomised: Build,
) -> None:
    model = randomised(architecture, dtype).eval()
    asked = inputs(draw(), dtype)
    with torch.set_grad_enabled(gradients):
        logit_B = model.as_torch()(*asked)
    assert logit_B.dtype == dtype
    assert relative(logit_B, model.trace(*asked).logit_B) < within


def test_it_has_the_same_parameters_by_the_same_names(model: Transformer) -> None:
    twin = model.as_torch()
    assert isinstance(twin.transformer, nn.TransformerEncoder)
    ours, its = model.state_dict(), twin.state_dict()
    assert set(ours) == set(its)
    assert all(torch.equal(ours[name], its[name]) for name in ours)
    with torch.no_grad():
        twin.get_parameter("head.bias").add_(1)
    assert not torch.equal(model.get_parameter("head.bias"), twin.head.bias)


#: Modules of a layer, whether what they are given is meant or what they give, and the
#: name of that in the cache.
SEEN = [
    ("self_attn.pattern", "output", "attn.hook_pattern"),
    ("self_attn.z", "output", "attn.hook_z"),
    ("self_attn.out_proj", "output", "hook_attn_out"),
    ("norm1", "input", "hook_resid_mid"),
    ("norm1", "output", "ln1.hook_normalized"),
    ("linear1", "output", "mlp.hook_pre"),
    ("activation", "output", "mlp.hook_post"),
    ("linear2", "output", "hook_mlp_out"),
    ("norm2", "input", "hook_resid_post"),
    ("norm2", "output", "hook_normalized_resid_post"),
]


@pytest.mark.parametrize(("module", "side", "name"), SEEN)
def test_hooks_see_what_the_cache_has(
    module: str, side: str, name: str, model: Transformer, episodes: Episodes
) -> None:
    twin = model.as_torch().eval()
    found: dict[int, Tensor] = {}

    def note(layer: int) -> Callable[..., None]:
        def hook(_module: nn.Module, given: tuple[Tensor], gave: Tensor) -> None:
            found[layer] = given[0] if side == "input" else gave

        return hook

    for layer in (0, 1):
        part = twin.get_submodule(f"transformer.layers.{layer}.{module}")
        part.register_forward_hook(note(layer))
    with torch.no_grad():  # where torch would take its fast path, which skips hooks
        twin(*episodes)
        _, cache = model.run_with_cache(*episodes)
    for layer in (0, 1):
        expected = cache[f"blocks.{layer}.{name}"]
        expected = expected.transpose(1, 2) if name == "attn.hook_z" else expected
        torch.testing.assert_close(found[layer], expected, rtol=1e-12, atol=1e-12)


def test_every_module_is_called(model: Transformer, episodes: Episodes) -> None:
    twin = model.as_torch().eval()
    called = set()
    embedding = {"x_proj", "y_proj", "query_proj"}  # they hold parameters alone
    for name, module in twin.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    with torch.no_grad():
        twin(*episodes)
    idle = {name for name, _ in twin.named_modules()} - called
    assert idle == embedding | {"transformer.layers"}


def _zero_third_head(_module: nn.Module, _given: object, z_BHSK: Tensor) -> Tensor:
    z_BHSK = z_BHSK.clone()
    z_BHSK[:, 2] = 0
    return z_BHSK


def test_a_head_is_ablated_alike_by_a_hook_and_by_an_edit(
    model: Transformer, episodes: Episodes
) -> None:
    twin = model.as_torch().eval()
    z = twin.get_submodule("transformer.layers.0.self_attn.z")
    z.register_forward_hook(_zero_third_head)
    with torch.no_grad():
        hooked_B = twin(*episodes)
        edit = zeroed(Site("head_output", 0), (slice(None), 2))
        edited_B = model.trace(*episodes, edit=edit).logit_B
        plain_B = model.trace(*episodes).logit_B
    torch.testing.assert_close(hooked_B, edited_B, rtol=1e-12, atol=1e-12)
    assert (edited_B - plain_B).abs().min() > 1e-6


def test_nnsight_ablates_a_head_alike(model: Transformer, episodes: Episodes) -> None:
    nnsight = pytest.importorskip("nnsight", reason="nnsight is not installed")
    wrapped = nnsight.NNsight(model.as_torch().eval())
    with wrapped.trace(*episodes):
        wrapped.transformer.layers[0].self_attn.z.output[:, 2] = 0
        logit_B = wrapped.output.save()
    edit = zeroed(Site("head_output", 0), (slice(None), 2))
    edited_B = model.trace(*episodes, edit=edit).logit_B
    torch.testing.assert_close(logit_B, edited_B, rtol=1e-12, atol=1e-12)
