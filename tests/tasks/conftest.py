"""Many episodes of each task at its default size, drawn and answered once."""

import functools

import pytest

from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.tasks import TASKS

N_EPISODES = 20_000


@functools.cache
def _answered(name: str) -> EvaluationSet:
    return evaluation_set(TASKS[name], TASKS[name].sample(N_EPISODES, stream="test"))


@pytest.fixture
def known(name: str) -> EvaluationSet:
    """The episodes of the task that the test is parametrized with."""
    return _answered(name)
