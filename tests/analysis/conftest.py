"""Subjects to put questions to: tiny models, and stand-ins whose answers are known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import Predictor
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings

SubjectOf = Callable[..., Subject]
StandInOf = Callable[..., Subject]


def _small(task: str) -> int:
    """Three dimensions, or four where the task cannot have so odd a number."""
    try:
        return with_parameters(TASKS[task], {"dim": 3}).dim
    except ValueError:
        return 4


@pytest.fixture(scope="session")
def subject_of() -> SubjectOf:
    """A model as it starts, no two layers alike, asked about a few episodes."""

    def build(
        *,
        task: str = "A",
        variant: str = "baseline",
        episodes: int = 24,
        shifts: dict[str, float] | None = None,
        seed: int = 0,
        **overrides: Any,
    ) -> Subject:
        sizes = {"dim": _small(task), "n_context": 5, "d_model": 16, **overrides}
        settings = TrainSettings.preset(
            "smoke", task=task, variant=variant, seed=seed, device="cpu", **sizes
        )
        model = initial_model(settings)
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for value in model.parameters():
                value.add_(0.2 * torch.randn(value.shape, generator=rng))
        trained_model = TrainedModel(
            name=settings.run_name, model=model.eval(), settings=settings
        )
        asked = EvaluationRequest(
            episodes=episodes, seed=0, shifts=shifts or {}, device="cpu"
        )
        return subjects([trained_model], asked)[0]

    return build


@pytest.fixture(scope="session")
def stand_in_of(subject_of: SubjectOf) -> StandInOf:
    """A predictor without internals in the place of the model."""

    def build(answer: Callable[[Task, Episodes], Tensor], **choices: Any) -> Subject:
        subject = subject_of(**choices)
        predictor = stand_in(subject.task, answer)
        return replace(subject, name="stand-in", predictor=predictor, transformer=None)

    return build


def stand_in(task: Task, answer: Callable[[Task, Episodes], Tensor]) -> Predictor:
    def predictor(x_BND: Tensor, y_BN: Tensor, query_BD: Tensor) -> Tensor:
        seen = Episodes(
            context_x_BND=x_BND,
            context_y_BN=y_BN,
            query_x_BD=query_BD,
            query_y_B=torch.zeros(len(query_BD), dtype=torch.int64),
            latents={},
        )
        return answer(task, seen)

    return predictor
