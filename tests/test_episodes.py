"""Shorter, fewer or moved: episodes keep everything that belongs to them."""

import pytest
import torch

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS


@pytest.fixture
def episodes() -> Episodes:
    return TASKS["A"].sample(10, 6, stream="test")


def test_the_first_points_are_the_context_cut_short(episodes: Episodes) -> None:
    short = episodes.first(2)
    assert (len(short), short.n_context) == (10, 2)
    assert torch.equal(short.context_x_BND, episodes.context_x_BND[:, :2])
    assert torch.equal(short.context_y_BN, episodes.context_y_BN[:, :2])
    assert torch.equal(short.query_x_BD, episodes.query_x_BD)
    assert torch.equal(short.query_y_B, episodes.query_y_B)
    assert short.latents is episodes.latents


def test_rows_cut_everything_alike_and_stop_at_the_end(episodes: Episodes) -> None:
    part = episodes.rows(8, 99)
    assert (len(part), part.n_context) == (2, 6)
    assert torch.equal(part.context_x_BND, episodes.context_x_BND[8:])
    assert torch.equal(part.query_x_BD, episodes.query_x_BD[8:])
    # The exact answer of a row is that of the row in the whole.
    whole_B = TASKS["A"].oracle_llr(episodes)
    assert torch.equal(TASKS["A"].oracle_llr(part), whole_B[8:])


def test_moving_them_takes_everything_along(episodes: Episodes) -> None:
    moved = episodes.to("meta")
    tensors = [moved.context_x_BND, moved.context_y_BN, moved.query_x_BD]
    tensors += [moved.query_y_B, *moved.latents.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.latents.keys() == episodes.latents.keys()


def test_an_episode_cannot_be_changed(episodes: Episodes) -> None:
    with pytest.raises(AttributeError):
        episodes.query_y_B = episodes.query_y_B  # type: ignore[misc]


@pytest.mark.parametrize(("most_points", "sizes"), [(28, [4, 4, 2]), (1, [1] * 10)])
def test_chunks_hold_so_many_points_and_all_of_the_episodes(
    episodes: Episodes, most_points: int, sizes: list[int]
) -> None:
    parts = list(episodes.chunks(most_points))
    assert [len(part) for part in parts] == sizes
    queries = torch.cat([part.query_x_BD for part in parts])
    assert torch.equal(queries, episodes.query_x_BD)


def test_episodes_print_their_sizes_and_not_their_numbers() -> None:
    episodes = TASKS["A"].sample(2_000, n_context=8)
    text = "Episodes(2,000, n_context=8, dim=16, latents: mu, shift)"
    assert repr(episodes) == text
