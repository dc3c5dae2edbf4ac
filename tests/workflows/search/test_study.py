"""A study is one process's at a time, and proposes what the space holds."""

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs the extra search")

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.study import (
    SearchInUseError,
    open_study,
    proposed,
)

SETTINGS = TrainSettings.preset("smoke")


def test_proposals_lie_within_the_space_and_differ_from_call_to_call(
    store: Store, new_folder: Path
) -> None:
    del store
    plan = plan_search(SETTINGS, "lr=1e-4:1e-2;n_layers=1:3;schedule=linear", 5)
    seen = []
    for _ in range(2):
        with open_study(plan) as study:
            trial = study.ask()
            cell = {name: proposed(trial, name, v) for name, v in plan.space.items()}
            study.tell(trial, 1.0)
        assert 1e-4 <= float(cell["lr"]) <= 1e-2
        assert cell["lr"] == float(f"{cell['lr']:.3g}")
        assert cell["n_layers"] in {1, 2, 3}
        assert cell["schedule"] == "linear"
        seen.append(cell["lr"])
    assert seen[0] != seen[1]
    assert (new_folder / ".icl_mlflow" / "searches.db").is_file()


def test_the_same_search_is_nobody_elses_meanwhile(store: Store) -> None:
    del store
    plan = plan_search(SETTINGS, "lr=1e-4:1e-2", 5)
    with (
        open_study(plan),
        pytest.raises(SearchInUseError, match="wait for its end"),
        open_study(plan),
    ):
        pass
