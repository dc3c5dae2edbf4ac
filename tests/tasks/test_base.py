"""What a task must have, what it need not have, and how its parameters change."""

from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import (
    NotKnownError,
    OracleConstants,
    Task,
    check_episodes,
    knows_corrupted_labels,
    parameters,
    with_parameters,
)
from icl_mlflow.tasks.labels import nothing_known


@dataclass(frozen=True)
class Coin(Task):
    """A task with no more than a task must have: x is noise, y a fair coin."""

    dim: int = setting(2, "Dimension of x.", minimum=1)
    spread: float = setting(1.0, "Standard deviation of x.", above=0)

    def __post_init__(self) -> None:
        check(self)

    def sample(self, n_episodes: int, n_context: int = 32, **_: Any) -> Episodes:
        return Episodes(
            context_x_BND=torch.ones(n_episodes, n_context, self.dim),
            context_y_BN=torch.zeros(n_episodes, n_context, dtype=torch.int64),
            query_x_BD=torch.ones(n_episodes, self.dim),
            query_y_B=torch.zeros(n_episodes, dtype=torch.int64),
            latents={},
        )

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        return torch.zeros(len(episodes), dtype=torch.float64)

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        return torch.zeros(len(episodes), dtype=torch.float64)

    def oracle(self) -> OracleConstants:
        return OracleConstants(accuracy=0.5, auc=0.5)


def test_a_task_without_its_exact_answer_cannot_be_made() -> None:
    class Half(Coin):
        bayes_logit = Task.bayes_logit

    with pytest.raises(TypeError, match="bayes_logit"):
        Half()


def test_what_a_task_need_not_know_it_says_it_does_not_know() -> None:
    coin = Coin()
    episodes = coin.sample(3)
    assert not knows_corrupted_labels(coin)
    assert all(knows_corrupted_labels(TASKS[name]) for name in ("A", "B"))
    with pytest.raises(NotKnownError, match="Coin has no corrupted_bayes_logit"):
        coin.corrupted_bayes_logit(episodes, nothing_known(episodes), torch.Generator())
    with pytest.raises(NotKnownError, match="Coin has no plug_in_logit"):
        coin.plug_in_logit(episodes)
    declared = (coin.shifts, coin.sweeps, coin.curricula, coin.symmetries)
    assert not any(declared)


def test_parameters_change_in_a_copy() -> None:
    coin = Coin()
    wide = with_parameters(coin, {"spread": 3.0})
    assert parameters(wide) == {"dim": 2, "spread": 3.0}
    assert parameters(coin) == {"dim": 2, "spread": 1.0}
    with pytest.raises(FrozenInstanceError):
        coin.spread = 2.0  # type: ignore[misc]


def test_equal_tasks_are_one_key() -> None:
    """What is computed once for a task is found again for an equal one."""
    found = {Coin(): 1, Coin(spread=2.0): 2}
    assert found[with_parameters(Coin(spread=2.0), {"spread": 1})] == 1
    assert len({*found, Coin(), Coin(dim=3)}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wings": 2.0}, "Coin has no parameter 'wings'; it has: dim, spread"),
        ({"spread": 0.0}, "spread must be"),
    ],
)
def test_a_wrong_parameter_is_answered_with_the_right_ones(
    changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        with_parameters(Coin(), changes)


def test_episodes_of_another_dimension_are_refused() -> None:
    check_episodes(Coin(), Coin().sample(1))
    with pytest.raises(ValueError, match="dim=2, but the episodes have dim=3"):
        check_episodes(Coin(), Coin(dim=3).sample(1))
