"""One team's server for all of its tests, whose users begin in new folders."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from team_server.server import ADMINISTRATOR
from tests.team_server.team import Team, User, team_at_work


@pytest.fixture(scope="session")
def team() -> Iterator[Team]:
    with team_at_work() as made:
        yield made


@pytest.fixture
def user(new_folder: Path, team: Team) -> Callable[[str], User]:
    return lambda name: team.user(name, new_folder)


@pytest.fixture
def client(team: Team, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The administrator's, who sees all."""
    for name, value in team.environment(ADMINISTRATOR).items():
        monkeypatch.setenv(name, value)
    return MlflowClient()
