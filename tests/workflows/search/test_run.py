"""A search goes on where it was, cuts short what falls behind, and names the best."""

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs the extra search")

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search import run as searching
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.result import SearchResult, command_of
from icl_mlflow.workflows.search.run import search
from icl_mlflow.workflows.search.trials import Trial
from tests.tiny import TRAINING

SETTINGS = TrainSettings(**{**TRAINING, "train_episodes": 320, "test_episodes": 50})
SPACE = "lr=1e-4:1e-2;batch_size=16,32"


def searched(store: Store, n_trials: int) -> tuple[SearchResult, list[Trial]]:
    heard: list[Trial] = []
    plan = plan_search(SETTINGS, SPACE, n_trials)
    return search(store, plan, heard.append), heard


def test_a_search_that_is_cut_off_goes_on_and_ends_with_the_best_trial(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = searching.train_member
    calls = []

    def cut_off(*given: object, **named: object) -> object:
        calls.append(named["name"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trained(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "train_member", cut_off)
    with pytest.raises(KeyboardInterrupt):
        searched(store, 3)
    result, heard = searched(store, 3)
    assert len(calls) == 1 + 1 + 2  # the first is not trained again
    assert [trial.number for trial in heard] == [
        0,
        2,
        3,
    ]  # 2 is 1 again
    finished = result.trials[result.trials["state"] == "finished"]
    best = finished.loc[finished["excess_risk"].idxmin()]
    assert result.best_trial["run_id"] == best["run_id"]
    assert result.best is not None
    assert (result.best.lr, result.best.batch_size) == (best["lr"], best["batch_size"])
    assert result.sentence.startswith(f"trial {best['trial']}: lr=")
    assert f"--lr {best['lr']}" in command_of(result.best)

    run = store.client.get_run(str(best["run_id"]))
    assert run.data.metrics["val/excess_risk"] == pytest.approx(best["excess_risk"])
    parent = store.client.get_run(result.run_id)
    assert parent.data.tags["best_run_id"] == best["run_id"]
    assert "**Answer.** Trial " in parent.data.tags["mlflow.note.content"]
    files = {f.path for f in store.client.list_artifacts(result.run_id, "figures")}
    assert files == {"figures/trials.png"}

    again, heard = searched(store, 3)  # all of it is there
    assert len(calls) == 4
    assert list(again.trials["run_id"]) == list(result.trials["run_id"])


def test_a_trial_that_falls_behind_is_cut_short_and_its_run_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, new_folder: Path
) -> None:
    trial = "optuna.trial.Trial.should_prune"
    monkeypatch.setattr(trial, lambda trial: trial.number == 1)
    result, _ = searched(store, 2)
    assert list(result.trials["state"]) == ["finished", "pruned"]
    assert result.trials["why"][1] == "pruned after epoch 0"
    (run,) = store.client.search_runs(
        [store.experiment_id], "tags.ended_early LIKE 'pruned%'"
    )
    assert run.info.status == "KILLED"
    assert run.info.run_name == "A-baseline-trial1-seed0"
    kept = new_folder / ".icl_mlflow" / "runs" / run.info.run_id / "checkpoints"
    assert not kept.exists()
