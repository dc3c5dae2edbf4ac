"""Interventions change what they say, episode by episode, and nothing else."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare
from torch import Generator

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.variants.base import Intervention, unchanged
from icl_mlflow.variants.context import flip_labels, shuffle_context, shuffle_labels

N_EPISODES = 4_000
N_CONTEXT = 8
ALL = [shuffle_labels, shuffle_context, flip_labels(0.25)]
accelerator = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def numbered() -> Episodes:
    """Half the labels 1, the same in each episode; x holds the place and the label."""
    episodes = TASKS["A"].sample(N_EPISODES, N_CONTEXT, seed=3)
    place_N = torch.arange(N_CONTEXT)
    y_BN = (place_N >= N_CONTEXT // 2).long().expand(N_EPISODES, -1)
    x_BND = torch.stack([place_N.expand(N_EPISODES, -1), y_BN], dim=-1).float()
    return replace(episodes, context_x_BND=x_BND, context_y_BN=y_BN)


def seeded(seed: int, device: str = "cpu") -> Generator:
    return Generator(device).manual_seed(seed)


def test_shuffled_labels_keep_their_counts_and_lose_their_points() -> None:
    before = numbered()
    after = shuffle_labels(before, seeded(0))
    assert torch.equal(after.context_x_BND, before.context_x_BND)
    assert torch.equal(after.context_y_BN.sum(1), before.context_y_BN.sum(1))
    # Of two labels in equal number, a place keeps its own with probability 1/2; the
    # number kept among N = 8 has variance N / 4 * N / (N - 1).
    kept = (after.context_y_BN == before.context_y_BN).double().mean().item()
    spread = math.sqrt(0.25 / (N_CONTEXT - 1) / N_EPISODES)
    assert kept == pytest.approx(0.5, abs=3 * spread)


def test_every_permutation_of_the_pairs_is_equally_likely() -> None:
    before = numbered().first(3)
    after = shuffle_context(before, seeded(0))
    order_BN = after.context_x_BND[:, :, 0].long()
    code_B = (order_BN * torch.tensor([9, 3, 1])).sum(1)
    _, counts = code_B.unique(return_counts=True)
    assert len(counts) == math.factorial(3)
    assert chisquare(counts.numpy()).pvalue > 0.001


def test_every_place_of_a_single_label_is_equally_likely() -> None:
    before = numbered()
    one_BN = torch.zeros_like(before.context_y_BN)
    one_BN[:, 0] = 1
    after = shuffle_labels(replace(before, context_y_BN=one_BN), seeded(0))
    assert chisquare(after.context_y_BN.sum(0).numpy()).pvalue > 0.001


def test_shuffled_context_keeps_every_pair() -> None:
    before = numbered()
    after = shuffle_context(before, seeded(0))
    place_BN, label_BN = after.context_x_BND.unbind(-1)
    assert torch.equal(label_BN, after.context_y_BN.float())
    assert torch.equal(place_BN.sort(1).values, before.context_x_BND[:, :, 0])


@pytest.mark.parametrize("shuffle", [shuffle_labels, shuffle_context])
def test_every_episode_has_its_own_permutation(shuffle: Intervention) -> None:
    after = shuffle(numbered(), seeded(0))
    seen_BNF = torch.cat(
        [after.context_x_BND, after.context_y_BN.unsqueeze(-1).float()], dim=-1
    )
    # 8 labels, 4 of them 1, have 70 orders; 4000 episodes show all of them.
    assert len(seen_BNF.flatten(1).unique(dim=0)) >= math.comb(8, 4)


@pytest.mark.parametrize("p", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_both_kinds_flip_at_the_stated_rate(p: float, label: int) -> None:
    before = numbered()
    after = flip_labels(p)(before, seeded(0))
    chosen = before.context_y_BN == label
    rate = (after.context_y_BN != before.context_y_BN)[chosen].double().mean().item()
    standard_error = math.sqrt(p * (1 - p) / int(chosen.sum()))
    assert abs(rate - p) <= 3 * standard_error
    assert torch.equal(after.context_x_BND, before.context_x_BND)


def test_labels_flip_independently_within_an_episode() -> None:
    before = numbered()
    flips_BN = flip_labels(0.25)(before, seeded(0)).context_y_BN != before.context_y_BN
    # The number of flips is binomial: mean N p, variance N p (1 - p).
    count_B = flips_BN.sum(1).double()
    spread = math.sqrt(2 / N_EPISODES) * 1.5  # of the sample variance, about
    assert count_B.var().item() == pytest.approx(1.5, abs=3 * spread)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.5, math.nan])
def test_an_impossible_rate_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        flip_labels(p)


@pytest.mark.parametrize("intervention", ALL, ids=lambda i: i.does)
def test_the_generator_alone_decides(intervention: Intervention) -> None:
    before, elsewhere = numbered(), torch.get_rng_state()
    first, again, other = (intervention(before, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first.context_y_BN, again.context_y_BN)
    assert torch.equal(first.context_x_BND, again.context_x_BND)
    assert not torch.equal(first.context_y_BN, other.context_y_BN)
    assert torch.equal(torch.get_rng_state(), elsewhere)


@pytest.mark.parametrize("intervention", ALL, ids=lambda i: i.does)
def test_the_query_is_left_alone(intervention: Intervention) -> None:
    before = numbered()
    after = intervention(before, seeded(0))
    assert after.query_x_BD is before.query_x_BD
    assert after.query_y_B is before.query_y_B
    assert after.latents is before.latents


@pytest.mark.parametrize("intervention", ALL, ids=lambda i: i.does)
def test_the_episodes_given_are_not_written_to(intervention: Intervention) -> None:
    before, copy = numbered(), numbered()
    intervention(before, seeded(0))
    assert torch.equal(before.context_y_BN, copy.context_y_BN)
    assert torch.equal(before.context_x_BND, copy.context_x_BND)


def test_unchanged_is_unchanged() -> None:
    before = numbered()
    assert unchanged(before, seeded(0)) is before


@accelerator
@pytest.mark.parametrize("intervention", ALL, ids=lambda i: i.does)
def test_numbers_are_drawn_where_the_generator_is(intervention: Intervention) -> None:
    on_cpu, on_gpu = numbered(), numbered().to("cuda")
    by_cpu = intervention(on_gpu, seeded(1)).to("cpu")
    assert torch.equal(
        by_cpu.context_y_BN, intervention(on_cpu, seeded(1)).context_y_BN
    )
    by_gpu = intervention(on_gpu, seeded(1, "cuda"))
    assert by_gpu.context_y_BN.is_cuda
    assert not torch.equal(by_gpu.context_y_BN, on_gpu.context_y_BN)
