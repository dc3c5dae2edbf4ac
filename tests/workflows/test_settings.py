"""What a command takes beside the settings of a training is checked as it is given."""

from typing import Any

import pytest

from icl_mlflow.workflows.settings import (
    AblateSettings,
    DryRunSettings,
    LaunchSettings,
    PipelineSettings,
    SeedSettings,
)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (
            LaunchSettings,
            {"preset": "smok"},
            "preset 'smok'; did you mean smoke",
        ),
        (LaunchSettings, {"dry_run": "yes"}, "dry_run must be true or false"),
        (DryRunSettings, {"dry_run": 1}, "dry_run must be true or false"),
        (SeedSettings, {"seeds": "0;1"}, "seeds must be like 0,1,2 or 0-9"),
        (SeedSettings, {"seeds": "9-0"}, "seeds"),
        (AblateSettings, {"seeds": ""}, "seeds"),
        (AblateSettings, {"variants": "no_positon"}, "did you mean no_position"),
        (PipelineSettings, {"variants": "no_positon"}, "did you mean no_position"),
        (PipelineSettings, {"analyses": "logit_lense"}, "did you mean logit_lens"),
        (PipelineSettings, {"seeds": ""}, "seeds"),
    ],
)
def test_what_is_wrong_names_what_is_right(
    kind: type, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        kind(**given)


def test_usual_values_and_lists_are_taken() -> None:
    assert LaunchSettings().preset == "paper"
    assert SeedSettings().seeds is None
    assert SeedSettings(seeds="0-9").seeds == "0-9"
    ablation = AblateSettings(variants="no_labels,no_position", seeds="3")
    assert ablation.variants == "no_labels,no_position"
    assert AblateSettings().variants == "default"
    pipeline = PipelineSettings(analyses="calibration")
    assert pipeline.preset == "smoke"
    assert pipeline.analysis_of("4f2a").names == ("calibration",)
    assert pipeline.analysis_of("4f2a").run_id == "4f2a"
