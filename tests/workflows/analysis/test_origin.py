"""An analysis is called after the models that it is about."""

from typing import Any

import pytest

from icl_mlflow.workflows.analysis.origin import title
from tests.analysis.conftest import SubjectOf, subject_of

__all__ = ["subject_of"]


@pytest.mark.parametrize(
    ("models", "called"),
    [
        ([{"seed": 3}], "A-baseline-seed3"),
        ([{"seed": 0}, {"seed": 1}], "A-baseline, 2 seeds"),
        ([{}, {"variant": "no_labels"}], "my suite, 2 models"),
        ([{}, {"task": "B"}], "my suite, 2 models"),
    ],
)
def test_an_analysis_is_called_after_its_models(
    subject_of: SubjectOf, models: list[dict[str, Any]], called: str
) -> None:
    asked = [subject_of(**each) for each in models]
    assert title("my suite", asked) == called
