"""An intervention changes its part of its site, and nothing else by itself."""

import torch
from torch import Tensor

from icl_mlflow.models import Site, Transformer
from icl_mlflow.models.interventions import (
    added,
    averaged,
    composed,
    replaced,
    zeroed,
)

HEAD = Site("head_output", 0)
Z = "blocks.0.attn.hook_z"


def test_one_head_is_zeroed(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    _, plain = model.run_with_cache(*episodes)
    edit = zeroed(HEAD, (slice(None), 1))
    _, cache = model.run_with_cache(*episodes, edit=edit)
    assert not cache[Z][:, :, 1].any()
    assert torch.equal(cache[Z][:, :, [0, 2]], plain[Z][:, :, [0, 2]])


def test_the_mean_is_over_episodes_token_by_token(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    _, plain = model.run_with_cache(*episodes)
    edit = averaged(HEAD, (slice(None), 1))
    _, cache = model.run_with_cache(*episodes, edit=edit)
    mean = plain[Z][:, :, 1].mean(0).expand(5, -1, -1)
    torch.testing.assert_close(cache[Z][:, :, 1], mean)


def test_the_whole_stream_of_other_episodes_brings_their_answers(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    logit_B, cache = model.run_with_cache(*episodes)
    for depth in range(3):
        site = Site("residual", depth)
        (name, *_) = site.hook_names(2)
        edit = replaced(site, cache[name].flip(0))
        patched_B, _ = model.run_with_cache(*episodes, edit=edit)
        assert torch.equal(patched_B, logit_B.flip(0))


def test_what_an_episode_has_itself_changes_nothing(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    logit_B, cache = model.run_with_cache(*episodes)
    own = cache[Z].transpose(1, 2)
    patched_B, _ = model.run_with_cache(*episodes, edit=replaced(HEAD, own))
    assert torch.equal(patched_B, logit_B)


def test_what_is_added_to_the_last_stream_moves_the_logit_by_its_read_out(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    logit_B, _ = model.run_with_cache(*episodes)
    amount_M = torch.linspace(-1, 1, 24).double()
    edit = added(Site("residual", 2), amount_M, (slice(None), -1))
    moved_B, _ = model.run_with_cache(*episodes, edit=edit)
    by = model.get_parameter("head.weight")[0] @ amount_M
    torch.testing.assert_close(moved_B - logit_B, by.expand(5))


def test_interventions_are_made_one_after_the_other(
    model: Transformer, episodes: tuple[Tensor, Tensor, Tensor]
) -> None:
    one, other = zeroed(HEAD, (slice(None), 0)), zeroed(HEAD, (slice(None), 2))
    mlp = zeroed(Site("mlp_output", 1))
    _, cache = model.run_with_cache(*episodes, edit=composed(one, other, mlp))
    assert not cache[Z][:, :, [0, 2]].any()
    assert cache[Z][:, :, 1].any()
    assert not cache["blocks.1.hook_mlp_out"].any()
    edit = composed(one, added(HEAD, torch.ones(()), (slice(None), 0)))
    _, cache = model.run_with_cache(*episodes, edit=edit)
    assert torch.equal(cache[Z][:, :, 0], torch.ones(5, 13, 8).double())
