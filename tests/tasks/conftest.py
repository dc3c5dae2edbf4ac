"""Many episodes of each task at its default size, drawn and answered once."""

import functools

import pytest

from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from tests.tasks.contract import CASES

N_EPISODES = 20_000


@functools.cache
def _answered(name: str) -> EvaluationSet:
    return evaluation_set(CASES[name], CASES[name].sample(N_EPISODES, stream="test"))


@pytest.fixture
def known(name: str) -> EvaluationSet:
    """The episodes of the task that the test is parametrized with."""
    return _answered(name)
