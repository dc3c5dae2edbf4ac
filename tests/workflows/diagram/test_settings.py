"""A diagram's checkpoints and pools double; wrong words are told the right ones."""

import pytest

from icl_mlflow.workflows.diagram.settings import (
    DIAGRAM_PRESETS,
    USUAL_POOLS,
    parse_pools,
    preset_settings,
)


@pytest.mark.parametrize("preset", DIAGRAM_PRESETS)
def test_checkpoints_double_from_the_first_steps_to_the_last(preset: str) -> None:
    settings = preset_settings(preset, {})
    kept = [e + 1 for e in range(settings.epochs) if settings.keeps_epoch(e)]
    assert kept == [2**k for k in range(len(kept))]
    assert kept[-1] == settings.epochs


def test_the_usual_pools_double_from_4_to_16_384() -> None:
    assert parse_pools(USUAL_POOLS) == tuple(2**k for k in range(2, 15))


def test_a_wrong_preset_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="choose one of: paper, efficient, smoke"):
        preset_settings("smok", {})
