"""All edges of a cut are the patch of their sender; what no one reads has no effect."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.models import Architecture, Site, Transformer
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.patching.path import Reader, Sent, cuts
from tests.models.patching.conftest import Asked
from tests.models.small import SMALL, Build, draw, inputs

SENDERS = [
    Patch(Site("residual", 0)),
    Patch(Site("residual", 0), tokens_BS=torch.arange(13).expand(5, -1) < 4),
    Patch(Site("head_output", 0), 1),
    Patch(Site("attention_output", 0)),
    Patch(Site("mlp_output", 0)),
    Patch(Site("head_output", 1), 2),
]


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: str(one.site))
def test_all_edges_of_a_cut_are_the_patch_of_the_sender_to_the_bit(
    sender: Patch, run: PairedRun
) -> None:
    sent, whole_B = Sent(run, sender), run.patched([sender])
    assert torch.equal(sent.logit_B, whole_B)
    assert not torch.equal(whole_B, run.target_logit_B)
    for cut in cuts(sender.site, SMALL):
        assert torch.equal(sent.heard_by(cut), whole_B)
        for one in cut:
            assert not torch.equal(sent.heard_by([one]), whole_B)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: str(one.site))
def test_every_edge_between_equal_episodes_is_exactly_nothing(
    sender: Patch, itself: PairedRun
) -> None:
    sent = Sent(itself, sender)
    for cut in cuts(sender.site, SMALL):
        for one in cut:
            assert torch.equal(sent.heard_by([one]), itself.target_logit_B)


@pytest.mark.parametrize("embedding", ["summed", "interleaved"])
@pytest.mark.parametrize("query_hidden", [False, True])
def test_three_blocks_and_every_embedding_have_the_same_identities(
    embedding: str, query_hidden: bool, randomised: Build
) -> None:
    shape = {"n_layers": 3, "embedding": embedding, "query_hidden": query_hidden}
    model = randomised(replace(SMALL, **shape), torch.float32)
    x_BND, y_BN, query_x_BD = inputs(draw(n_episodes=3))
    with torch.no_grad():
        run = model.paired_run((x_BND, y_BN, query_x_BD), (x_BND, 1 - y_BN, query_x_BD))
        for layer in range(3):
            sender = Patch(Site("head_output", layer), 0)
            sent = Sent(run, sender)
            for cut in cuts(sender.site, model.architecture):
                assert torch.equal(sent.heard_by(cut), run.patched([sender]))


def test_who_does_not_read_is_not_reached(
    model: Transformer, target: Asked, source: Asked
) -> None:
    """Values of a head that writes nothing are read by none; others' are."""
    with torch.no_grad():
        name = "transformer.layers.1.self_attn.out_proj.weight"
        model.get_parameter(name)[:, 8:16] = 0
        run = model.paired_run(target, source)
        sent = Sent(run, Patch(Site("head_output", 0), 0))
        for role in ("query", "key", "value"):
            deaf_B = sent.heard_by([Reader(role, 1, 1)])  # type: ignore[arg-type]
            assert torch.equal(deaf_B, run.target_logit_B)
            heard_B = sent.heard_by([Reader(role, 1, 0)])  # type: ignore[arg-type]
            assert not torch.equal(heard_B, run.target_logit_B)


def test_the_cuts_are_those_of_a_post_ln_block() -> None:
    two = Architecture(dim=4, d_model=8, n_heads=2, n_layers=2)
    near, far = cuts(Site("head_output", 0), two)
    assert [one.name for one in near] == ["1 MLP", "1 MLP skip"]
    assert [one.name for one in far] == [
        *("2.1 query", "2.2 query", "2.1 key", "2.2 key", "2.1 value", "2.2 value"),
        "2 attention skip",
    ]
    assert cuts(Site("mlp_output", 0), two) == cuts(Site("residual", 1), two) == (far,)
    assert cuts(Site("mlp_output", 1), two) == cuts(Site("residual", 2), two) == ()


def test_what_is_no_sender_and_what_is_no_cut_is_said(run: PairedRun) -> None:
    with pytest.raises(ValueError, match="senders are: residual, head_output"):
        cuts(Site("pattern", 0), SMALL)
    sent = Sent(run, Patch(Site("head_output", 0), 0))
    near, far = cuts(Site("head_output", 0), SMALL)
    for wrong in ([], [near[0], far[0]]):
        with pytest.raises(ValueError, match="all of the same cut"):
            sent.heard_by(wrong)
