"""An address always gives the same numbers, and no two give the same."""

import torch

from icl_mlflow.streams import generator


def numbers(seed: int, stream: str, step: int = 0, n: int = 4) -> list[float]:
    return torch.rand(n, generator=generator(seed, stream, step)).tolist()


def test_an_address_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    first = numbers(1, "train", 5)
    torch.manual_seed(99)
    numbers(1, "train", 4)
    assert numbers(1, "train", 5) == first


def test_the_numbers_of_an_address_never_change() -> None:
    """Frozen: another value would silently redraw every published evaluation set."""
    assert generator(0, "validation").initial_seed() == 1_192_540_664
    assert generator(7, "train", 123_456).initial_seed() == 2_109_260_140


def test_seed_stream_and_step_all_matter() -> None:
    addresses = [
        (seed, stream, step)
        for seed in (0, 1, 10**12)
        for stream in ("train", "validation", "test", "weights")
        for step in (0, 1)
    ]
    assert len({tuple(numbers(*address)) for address in addresses}) == len(addresses)


def test_no_two_steps_of_a_stream_share_a_seed() -> None:
    """Not even in a very long run: a plain 32-bit hash would repeat a few of these."""
    n_steps = 200_000
    seeds = {generator(0, "train", step).initial_seed() for step in range(n_steps)}
    assert len(seeds) == n_steps


def test_neighbouring_steps_are_uncorrelated() -> None:
    rows = torch.tensor([numbers(0, "train", step, n=1_000) for step in range(40)])
    off_diagonal = torch.corrcoef(rows.double()) - torch.eye(40)
    assert off_diagonal.abs().max() < 5 / 1_000**0.5


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    numbers(0, "train")
    assert torch.equal(torch.get_rng_state(), before)
