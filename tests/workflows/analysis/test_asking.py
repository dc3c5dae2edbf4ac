"""What cannot be asked is refused by name, or left out where nobody named it."""

import pytest

from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.workflows.analysis.asking import refusals_of
from tests.analysis.conftest import SubjectOf, subject_of

__all__ = ["subject_of"]


def test_one_model_that_can_be_asked_is_enough(subject_of: SubjectOf) -> None:
    blind, seeing = subject_of(variant="no_labels"), subject_of()
    named = AnalyzeSettings(run_id="4f2a", analyses="label_noise")
    (refusal,) = refusals_of(named, [blind, seeing])
    assert (refusal.analysis, refusal.model) == ("label_noise", blind.name)
    with pytest.raises(ValueError, match=r"label_noise cannot be asked of .*no_labels"):
        refusals_of(named, [blind])
    everything = AnalyzeSettings(run_id="4f2a", analyses="all")
    assert "label_noise" in {one.analysis for one in refusals_of(everything, [blind])}
