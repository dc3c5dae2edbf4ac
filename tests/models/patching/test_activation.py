"""A patch is the source's numbers in the target's run, and equal episodes are equal."""

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import Site, Transformer
from icl_mlflow.models.interventions import replaced
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.sites import sites
from tests.models.patching.conftest import Asked

TOKENS = torch.zeros(5, 13, dtype=torch.bool)
TOKENS[:, [0, 3, 12]] = True


@pytest.mark.parametrize("site", sites(2), ids=str)
def test_an_episode_patched_with_itself_answers_the_same_to_the_bit(
    site: Site, itself: PairedRun
) -> None:
    head = 1 if site.quantity in {"query", "head_output", "pattern"} else None
    tokens = None if site.quantity == "score" else TOKENS
    patched_B = itself.patched([Patch(site, head, tokens)])
    assert torch.equal(patched_B, itself.target_logit_B)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_whole_stream_brings_the_sources_answer_to_the_bit(
    depth: int, run: PairedRun, model: Transformer, target: Asked, source: Asked
) -> None:
    patched_B = run.patched([Patch(Site("residual", depth))])
    assert torch.equal(patched_B, run.source_logit_B)
    assert torch.equal(run.source_logit_B, model.trace(*source).logit_B)
    assert torch.equal(run.target_logit_B, model.trace(*target).logit_B)
    assert (run.source_logit_B - run.target_logit_B).abs().min() > 1e-6


def test_all_tokens_by_role_together_are_the_whole_stream(run: PairedRun) -> None:
    both = [Patch(Site("residual", 0), tokens_BS=one) for one in (TOKENS, ~TOKENS)]
    assert torch.equal(run.patched(both), run.source_logit_B)
    for one in both:
        assert not torch.equal(run.patched([one]), run.source_logit_B)


def test_a_head_at_some_tokens_is_what_an_edit_of_the_whole_model_puts_there(
    run: PairedRun, model: Transformer, target: Asked, source: Asked
) -> None:
    _, cache = model.run_with_cache(*source)
    site = Site("head_output", 0)
    said_BHSK = cache["blocks.0.attn.hook_z"].transpose(1, 2)
    part = (slice(None), 1, [0, 3, 12])
    edit = replaced(site, said_BHSK[part], part)  # type: ignore[arg-type]
    expected_B = model.trace(*target, edit=edit).logit_B
    patched_B = run.patched([Patch(site, 1, TOKENS)])
    torch.testing.assert_close(patched_B, expected_B, rtol=0, atol=1e-13)
    assert (patched_B - run.target_logit_B).abs().min() > 1e-9


def test_a_head_that_writes_nothing_brings_nothing(
    model: Transformer, target: Asked, source: Asked
) -> None:
    with torch.no_grad():
        name = "transformer.layers.0.self_attn.out_proj.weight"
        model.get_parameter(name)[:, 8:16] = 0
        run = model.paired_run(target, source)
    patched_B = run.patched([Patch(Site("head_output", 0), 1)])
    assert torch.equal(patched_B, run.target_logit_B)
    other_B = run.patched([Patch(Site("head_output", 0), 0)])
    assert not torch.equal(other_B, run.target_logit_B)


def test_what_is_computed_after_a_patch_can_be_seen(run: PairedRun) -> None:
    seen: dict[Site, Tensor] = {}
    run.patched([Patch(Site("mlp_output", 0))], seen)
    assert torch.equal(seen[Site("mlp_output", 0)], run.source[Site("mlp_output", 0)])
    assert Site("residual", 2) in seen


def test_pairs_have_one_shape(model: Transformer, target: Asked) -> None:
    shorter = (target[0][:, :5], target[1][:, :5], target[2])
    with pytest.raises(ValueError, match=r"not \(5, 13\) and \(5, 6\)"):
        model.paired_run(target, shorter)
