"""Every analysis of every model is measured once, and a failure names its model."""

from pathlib import Path

import pytest

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.suite.engines.process_pool import Outcome
from icl_mlflow.workflows.analysis.measure import (
    MeasuringFailedError,
    _values,
    measure,
    measure_all,
)
from tests.analysis.conftest import SubjectOf, subject_of

__all__ = ["subject_of"]

ASKED = EvaluationRequest(episodes=24, seed=0, shifts={}, device="cpu")
NAMES = ("calibration", "llr_regression")


def test_an_answer_is_what_the_analysis_says_of_the_model(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(variant="no_labels")
    n_heard: list[None] = []
    answered = measure(subject, NAMES, lambda: n_heard.append(None))
    assert list(answered) == list(NAMES)
    assert len(n_heard) == 2
    one, analysis = answered["calibration"], ANALYSES["calibration"]
    frame = analysis.measure(subject)
    assert (one.model, one.group) == ("A-no_labels-seed0", "no_labels")
    assert one.frame.equals(frame)
    assert one.numbers == analysis.summarise(frame)
    assert one.episodes == analysis.episodes_of(24)


def test_each_model_is_asked_its_own_questions_in_order(subject_of: SubjectOf) -> None:
    first, second = subject_of(seed=0), subject_of(seed=1)
    asked = {first.name: NAMES, second.name: NAMES[:1]}
    n_heard: list[None] = []
    found = measure_all(
        [first, second], ASKED, asked, on_analysis=lambda: n_heard.append(None)
    )
    assert [list(answered) for answered in found] == [list(NAMES), list(NAMES[:1])]
    assert [answered["calibration"].model for answered in found] == [
        "A-baseline-seed0",
        "A-baseline-seed1",
    ]
    assert len(n_heard) == 3


def test_a_model_that_could_not_be_measured_is_named_with_the_reason(
    subject_of: SubjectOf, new_folder: Path
) -> None:
    del new_folder
    first, second = subject_of(seed=0), subject_of(seed=1)
    outcomes = [Outcome({}), Outcome.failed(MemoryError("no room"))]
    said = f"^{second.name}: MemoryError: no room$"
    with pytest.raises(MeasuringFailedError, match=said):
        _values([first, second], outcomes)
