"""The verbs of the command line from Python: same words, same runs, and results."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store

PAGE = (Path(__file__).parents[2] / "docs" / "start" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


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
