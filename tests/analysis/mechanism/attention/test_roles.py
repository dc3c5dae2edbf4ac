"""Attention that is planted is found by role, by class and by nearness."""

import math

import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.mechanism.attention.roles import Points, by_point, measured
from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS


def draw(n_context: int = 6) -> Episodes:
    return TASKS["A"].sample(40, n_context, stream="test")


def found(attention_BHPP: Tensor, episodes: Episodes) -> dict[tuple[str, str], Tensor]:
    about = Points.of(episodes)
    return {
        (reader, name): value_BH
        for reader, name, value_BH in measured(attention_BHPP, about)
    }


def of_query(row_BHP: Tensor) -> Tensor:
    """Attention of which only the query's row matters."""
    return row_BHP.unsqueeze(2).expand(-1, -1, row_BHP.shape[-1], -1)


def test_uniform_attention_goes_by_nothing_and_has_the_mass_of_the_roles() -> None:
    episodes = draw()
    attention = torch.full((40, 2, 7, 7), 1 / 7, dtype=torch.float64)
    attention[..., 0] += 1e-9  # rounding
    values = found(attention, episodes)
    same_BN = episodes.context_y_BN == episodes.query_y_B[:, None]
    share_B = same_BN.double().mean(1) * 6 / 7
    mass_B = values["query", "same_class"][:, 0]
    torch.testing.assert_close(mass_B, share_B, rtol=0, atol=1e-6)
    assert not values["query", "closeness"].any()
    contrast = values["query", "class_contrast"]
    assert contrast[contrast.isfinite()].abs().max() < 1e-6
    for reader in ("query", "context"):
        masses = [values[reader, name] for name in ROLES]
        total = torch.stack(masses).sum(0)
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)
    assert values["context", "itself"].mean().item() == pytest.approx(1 / 7)
    assert not values["query", "itself"].any()


ROLES = ("same_class", "other_class", "itself", "query")


def test_a_kernel_vote_attends_by_closeness_alone() -> None:
    episodes = draw()
    about = Points.of(episodes)
    score_BP = torch.cat([0.3 * about.closeness_BN, torch.zeros(40, 1)], 1)
    values = found(of_query(score_BP.softmax(1).unsqueeze(1)), episodes)
    closeness = values["query", "closeness"]
    torch.testing.assert_close(closeness, torch.ones_like(closeness))
    distance_BN = torch.cdist(episodes.query_x_BD[:, None], episodes.context_x_BND)
    expected_BN = -distance_BN[:, 0].double().square()
    torch.testing.assert_close(about.closeness_BN, expected_BN, rtol=1e-4, atol=1e-4)


def test_twice_the_attention_for_the_own_class_is_a_contrast_of_log_2() -> None:
    episodes = draw()
    same_BN = episodes.context_y_BN == episodes.query_y_B[:, None]
    row_BP = torch.cat([1.0 + same_BN.double(), torch.ones(40, 1)], 1)
    row_BP = row_BP / row_BP.sum(1, keepdim=True)
    contrast = found(of_query(row_BP.unsqueeze(1)), episodes)["query", "class_contrast"]
    mixed = same_BN.any(1) & (~same_BN).any(1)
    assert contrast[mixed].numpy() == pytest.approx(math.log(2))
    assert not contrast[~mixed].isfinite().any()


def test_a_point_is_typical_where_it_is_near_its_own_classs_mean() -> None:
    episodes = draw()
    about = Points.of(episodes)
    for episode in range(3):
        for point in range(6):
            label = episodes.context_y_BN[episode, point]
            alike = episodes.context_y_BN[episode] == label
            mean = episodes.context_x_BND[episode][alike].double().mean(0)
            gap = episodes.context_x_BND[episode, point].double() - mean
            expected = -float(gap.square().sum())
            value = float(about.typicality_BN[episode, point])
            assert value == pytest.approx(expected, abs=1e-5)


def test_the_two_tokens_of_a_point_are_one_point() -> None:
    rng = torch.Generator().manual_seed(0)
    pattern = torch.rand(2, 3, 9, 9, generator=rng).softmax(-1)  # 4 points, a query
    points = by_point(pattern, 2)
    assert points.shape == (2, 3, 5, 5)
    torch.testing.assert_close(points.sum(-1), torch.ones(2, 3, 5).double())
    expected = pattern[0, 1, 8, 2:4].sum().double()
    torch.testing.assert_close(points[0, 1, 4, 1], expected)
    expected = pattern[0, 1, 0:2, 8].mean().double()
    torch.testing.assert_close(points[0, 1, 0, 4], expected)
    torch.testing.assert_close(by_point(pattern, 1), pattern.double())
