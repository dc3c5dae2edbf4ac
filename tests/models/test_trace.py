"""A trace shows every internal quantity, and an edit of one changes what follows."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import Site, Transformer
from icl_mlflow.models.forward import logits_from_heads
from icl_mlflow.models.sites import sites
from tests.models.small import SMALL, Build


def test_a_trace_has_the_stated_shapes_and_attention_sums_to_one(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    trace = model.trace(*episodes)
    assert [tuple(r.shape) for r in trace.residual_BSM] == [(5, 13, 24)] * 3
    assert [tuple(h.shape) for h in trace.head_output_BHSK] == [(5, 3, 13, 8)] * 2
    for pattern_BHSS in trace.pattern_BHSS:
        assert pattern_BHSS.shape == (5, 3, 13, 13)
        assert (pattern_BHSS >= 0).all()
        torch.testing.assert_close(pattern_BHSS.sum(-1), torch.ones(5, 3, 13).double())


def at(site: Site, change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """An edit of one site."""

    def edit(here: Site, value: Tensor) -> Tensor:
        return change(value) if here == site else value

    return edit


@pytest.mark.parametrize(
    ("site", "same_residuals"),
    [
        (Site("residual", 0), 0),
        (Site("pattern", 0), 1),
        (Site("head_output", 0), 1),
        (Site("residual", 1), 1),
        (Site("pattern", 1), 2),
        (Site("head_output", 1), 2),
        (Site("residual", 2), 2),
    ],
)
def test_an_edit_changes_what_follows_and_nothing_before(
    site: Site,
    same_residuals: int,
    model: Transformer,
    episodes: tuple[Tensor, Tensor, Tensor],
) -> None:
    plain = model.trace(*episodes)
    edited = model.trace(*episodes, edit=at(site, lambda value: 0.5 * value.flip(-1)))
    assert (edited.logit_B - plain.logit_B).abs().min() > 1e-6
    for index, pair in enumerate(
        zip(edited.residual_BSM, plain.residual_BSM, strict=True)
    ):
        assert torch.equal(*pair) == (index < same_residuals)


def test_patching_in_another_episode_gives_that_episodes_answer(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    plain = model.trace(*episodes)
    for depth in range(3):
        edit = at(Site("residual", depth), lambda value: value.flip(0))
        patched = model.trace(*episodes, edit=edit)
        torch.testing.assert_close(patched.logit_B, plain.logit_B.flip(0))


def test_replacing_a_value_by_itself_changes_nothing(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    plain = model.trace(*episodes)
    edited = model.trace(*episodes, edit=lambda _site, value: value.clone())
    assert torch.equal(edited.logit_B, plain.logit_B)


def test_every_site_is_offered_once_in_the_order_of_computation(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    seen: list[Site] = []

    def note(site: Site, value: Tensor) -> Tensor:
        seen.append(site)
        return value

    model.trace(*episodes, edit=note)
    assert tuple(seen) == sites(2)


def test_keys_of_zero_make_attention_uniform(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    with torch.no_grad():
        model.get_parameter("transformer.layers.0.self_attn.in_proj_weight")[24:48] = 0
    trace = model.trace(*episodes)
    torch.testing.assert_close(
        trace.pattern_BHSS[0], torch.full_like(trace.pattern_BHSS[0], 1 / 13)
    )


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_the_answer_from_a_blocks_heads_is_the_answer_of_the_whole_with_them_edited(
    n_layers: int,
    randomised: Build,
    episodes: tuple[Tensor, Tensor, Tensor],
) -> None:
    architecture = replace(SMALL, n_layers=n_layers)
    model = randomised(architecture, torch.float64)
    plain = model.trace(*episodes)
    for index, output_BHSK in enumerate(plain.head_output_BHSK):
        changed_BHSK = output_BHSK.flip(0)
        change = at(Site("head_output", index), lambda _, to=changed_BHSK: to)
        logit_B = logits_from_heads(
            dict(model.named_parameters()),
            architecture,
            index,
            plain.residual_BSM[index],
            changed_BHSK,
        )
        whole_B = model.trace(*episodes, edit=change).logit_B
        torch.testing.assert_close(logit_B, whole_B, rtol=1e-12, atol=1e-12)


def test_the_cache_has_every_hook_and_what_the_trace_has(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    trace = model.trace(*episodes)
    logit_B, cache = model.run_with_cache(*episodes)
    assert torch.equal(logit_B, trace.logit_B)
    assert set(cache) == {name for site in sites(2) for name in site.hook_names(2)}
    for layer in (0, 1):
        block = f"blocks.{layer}."
        assert torch.equal(cache[f"{block}hook_resid_pre"], trace.residual_BSM[layer])
        pattern_BHSS = cache[f"{block}attn.hook_pattern"]
        assert torch.equal(pattern_BHSS, trace.pattern_BHSS[layer])
        z_BSHK = cache[f"{block}attn.hook_z"]
        assert torch.equal(z_BSHK.transpose(1, 2), trace.head_output_BHSK[layer])
    last_BSM = cache["blocks.1.hook_normalized_resid_post"]
    assert torch.equal(last_BSM, trace.residual_BSM[2])


def test_the_streams_add_up_and_the_norms_divide(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    _, cache = model.run_with_cache(*episodes)
    for layer in (0, 1):
        at_layer = {
            name.removeprefix(f"blocks.{layer}."): value
            for name, value in cache.items()
            if name.startswith(f"blocks.{layer}.")
        }
        before, after = at_layer["hook_resid_pre"], at_layer["hook_resid_mid"]
        assert torch.equal(after, before + at_layer["hook_attn_out"])
        normed, mlp = at_layer["ln1.hook_normalized"], at_layer["hook_mlp_out"]
        assert torch.equal(at_layer["hook_resid_post"], normed + mlp)
        assert at_layer["ln1.hook_scale"].shape == (5, 13, 1)
        variance = after.var(-1, unbiased=False, keepdim=True)
        scale = (variance + 1e-5).sqrt()
        torch.testing.assert_close(at_layer["ln1.hook_scale"], scale)


def test_only_what_is_named_is_kept(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    name = "blocks.1.attn.hook_z"
    _, cache = model.run_with_cache(*episodes, names=[name])
    assert list(cache) == [name]
    _, cache = model.run_with_cache(*episodes, names=lambda n: n.endswith("hook_scale"))
    assert len(cache) == 4
    with pytest.raises(
        ValueError, match=r"no hook is called 'blocks\.7\.attn\.hook_z'; "
    ):
        model.run_with_cache(*episodes, names=["blocks.7.attn.hook_z"])


@pytest.mark.parametrize("site", sites(2), ids=str)
def test_an_edit_of_any_site_is_used_and_kept(
    site: Site, model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    plain_B, _ = model.run_with_cache(*episodes)
    edit = at(site, lambda value: 0.5 * value + 0.1 * value.roll(1, -1))
    logit_B, cache = model.run_with_cache(*episodes, edit=edit)
    assert (logit_B - plain_B).abs().max() > 1e-6
    (name, *_) = site.hook_names(2)
    _, before = model.run_with_cache(*episodes)
    torch.testing.assert_close(cache[name], edit(site, before[name]))
