"""The verbs of the command line from Python: same words, same runs, and results."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store
from tests.conftest import TrainedRuns
from tests.tiny import MOMENT

PAGE = (Path(__file__).parents[1] / "docs" / "start" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

#: A training of a moment.
SMOKE: dict[str, Any] = {"preset": "smoke", **MOMENT}


def run_example(code: str, folder: Path) -> str:
    """What the code prints, run in a folder as a script."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_runs_to_its_last_line(store: Store, new_folder: Path) -> None:
    del store
    said = run_example(EXAMPLES[0], new_folder)
    assert "TrainingResult(A-baseline-seed1, run " in said
    risks = dict(re.findall(r"(.+): (-?[\d.]+) nats above exact Bayes", said))
    assert list(risks) == ["model", "Bayes", "LDA", "no idea"]
    assert float(risks["Bayes"]) == 0 < float(risks["model"])


@pytest.mark.slow
def test_the_example_can_be_continued(store: Store, new_folder: Path) -> None:
    del store
    said = run_example("\n".join(EXAMPLES[:2]), new_folder)
    assert "llr_regression" in said
    assert "no_position" in said


def test_keywords_and_settings_make_the_same_run(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    del store
    heard: list[tuple[str, int]] = []
    run = icl.train(
        task="B",
        sigma_max=4,
        seed=2,
        on_epoch=lambda name, epoch: heard.append((name, epoch.epoch)),
        **SMOKE,
    )
    shown = capsys.readouterr().err
    assert heard == [("B-baseline-seed2", 0), ("B-baseline-seed2", 1)]
    assert "B-baseline-seed2: epoch 2 of 2, train loss" in shown
    assert run.task.dim == 4
    assert list(run.history.index) == [0, 1]
    loaded = icl.load_model(run)
    assert loaded.settings == run.settings
    assert loaded.task == run.task

    again = icl.train(replace(run.settings, seed=9), seed=2, quiet=True, resume="never")
    assert again.settings == run.settings
    assert again.test == run.test
    assert capsys.readouterr().err == ""


def test_a_suite_takes_sequences_and_reuses_what_is_trained(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    suite = icl.ablate(
        task="A",
        variants=["no_labels"],
        seeds=range(2),
        experiment="trained",
        execution=icl.Execution(jobs=1),
        **SMOKE,
    )
    assert list(suite.table["variant"]) == ["baseline", "no_labels"]
    assert set(suite.history["seed"]) == {0, 1}
    assert suite.run_id in repr(suite)
    assert "no_labels" in suite._repr_html_()
    before = {*trained_runs.baseline_seeds, *trained_runs.no_labels_seeds}
    trained = trained_store.client.search_runs(
        [trained_store.experiment_id], "tags.kind = 'train' and tags.task = 'A'"
    )
    assert {run.info.run_id for run in trained} == before


def test_analyze_and_compare_take_results_ids_and_models(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    del trained_store
    one, other = trained_runs.baseline_seeds
    by_id = icl.analyze(one, ["calibration"], episodes=100, quiet=True)
    by_text = icl.analyze(icl.AnalyzeSettings(run_id=one, episodes=100), "calibration")
    assert by_id.numbers == by_text.numbers
    assert list(by_id.verdicts) == ["learning_curves", "calibration"]
    assert (
        repr(by_id)
        == f"AnalysisResult({', '.join(by_id.verdicts)}; run {by_id.run_id})"
    )

    named = icl.analyze("models:/icl-A-baseline/1", ["calibration"], episodes=100)
    assert named.numbers == by_id.numbers
    compared = icl.compare(one, other, episodes=100)
    assert compared.run_id in repr(compared)
    assert "excess_risk" in compared._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: icl.train(tusk="A"), "unknown setting 'tusk'; did you mean task"),
        (lambda: icl.train(preset="smok"), "unknown preset 'smok'; choose one of"),
        (
            lambda: icl.train(icl.TrainSettings(), preset="smoke"),
            "give settings or a preset, not both",
        ),
        (lambda: icl.train(engine="ray"), "engine is for several models: give seeds"),
        (lambda: icl.train(seeds=[0], resume="a" * 32), "names one run, but many"),
        (lambda: icl.train(seeds=[]), "give one seed at least"),
        (lambda: icl.train(seeds=[0.5]), "seeds must be like"),
        (lambda: icl.train(seeds=3), r"such as range\(3\), not 3; give seed=3"),
        (lambda: icl.ablate(variants=["no_positon"]), "did you mean no_position"),
        (lambda: icl.ablate(jobs=-1), "jobs must be at least 0, not -1"),
        (icl.analyze, "give exactly one of run_id"),
        (lambda: icl.analyze(7), "give a result of train, a run id"),
        (lambda: icl.compare("one"), "give two runs to compare"),
    ],
)
def test_bad_input_is_one_sentence_and_no_run(
    call: Any, message: str, new_folder: Path
) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert not list(new_folder.iterdir())


def test_what_the_index_lists_is_readable() -> None:
    assert str(icl.TASKS).startswith("tasks: A, B")
    assert "lda" in str(icl.ESTIMATORS)
