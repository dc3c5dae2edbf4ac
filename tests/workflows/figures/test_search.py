"""A search's figure comes out of its table as it was."""

import pytest

pytest.importorskip("optuna", reason="needs the extra search")

from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.figures.run import figures_of
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.run import search
from tests.tiny import TRAINING
from tests.workflows.figures.redrawn import again, logged


def test_a_search_is_drawn_as_it_was(store: Store) -> None:
    settings = TrainSettings(**{**TRAINING, "epochs": 1, "test_episodes": 50})
    plan = plan_search(settings, "lr=1e-4:1e-2;batch_size=16,32", 2)
    run = EndedRun.of(store.client, search(store, plan).run_id)
    ((name, before),) = logged(run).items()
    drawn = figures_of(run)
    assert drawn.keys() == {name}
    assert again(before, drawn[name].figure) == before
    assert drawn[name].caption == (
        "Validation excess risk of every trial: in order, and against each setting. "
        f"2 trials, one model each. {settings.val_episodes:,} validation episodes."
    )
