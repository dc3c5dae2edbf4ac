"""A small model, and runs that keep one."""

import itertools
from collections.abc import Callable

import pytest
import torch

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.models.registration import RegisteredModel
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MODEL

#: Store, settings, metrics and parent's run id, the last three if wanted.
Keep = Callable[..., tuple[str, RegisteredModel]]

_COUNT = itertools.count(1)


@pytest.fixture
def settings() -> TrainSettings:
    return TrainSettings(**MODEL)


@pytest.fixture
def model(settings: TrainSettings) -> Transformer:
    return initial_model(settings).eval()


@pytest.fixture
def episode() -> dict[str, torch.Tensor]:
    """An input of `model`: five episodes."""
    rng = torch.Generator().manual_seed(0)
    return {
        "context_x": torch.randn(5, 4, 3, generator=rng),
        "context_y": torch.randint(2, (5, 4), generator=rng),
        "query_x": torch.randn(5, 3, generator=rng),
    }


@pytest.fixture
def keep() -> Keep:
    """What keeps a model in a run: `keep_one`."""
    return keep_one


def keep_one(
    store: Store,
    settings: TrainSettings | None = None,
    risk: float = 0.1,
    parent_run_id: str | None = None,
    model: Transformer | None = None,
) -> tuple[str, RegisteredModel]:
    """Open a run, register a model in it; its id, and what is registered.

    The weights of each are new, if no model is given.
    """
    chosen = settings or TrainSettings(**MODEL)
    kept = model or _new_model(chosen)
    with open_run(
        store,
        name=chosen.run_name,
        kind="train",
        params={},
        tags={},
        description="",
        parent_run_id=parent_run_id,
    ) as log:
        metrics = {"val/excess_risk": risk, "test/accuracy": 0.75}
        return log.run_id, log.model(kept, chosen, metrics)


def _new_model(settings: TrainSettings) -> Transformer:
    """An initial model, and so far none has had its weights."""
    model = initial_model(settings)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-3 * next(_COUNT)
    return model
