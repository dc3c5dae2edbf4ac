"""A caption says what is shown, of how many models and episodes, and what bands are."""

import pytest
from matplotlib.figure import Figure

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.caption import caption


def draw() -> Figure:
    """Risk against time.

    Args: none of it belongs in a caption.
    """
    return Figure()


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ([], "No model has finished."),
        (["A-x-seed0"], "One model; intervals: 95 % over episodes."),
        (["A-x-seed0", "A-x-seed1"], "2 seeds; bands: range of the seeds."),
        (
            [f"A-x-seed{seed}" for seed in range(8)],
            "8 seeds; bands: where the median lies, 99 %.",
        ),
        (
            ["A-x-seed0", "A-x-seed1", "A-y-seed0", "A-y-seed1"],
            "2 variants, 2 seeds of each; bands: range of the seeds.",
        ),
        (
            ["A-x-seed0", "A-x-seed1", "A-y-seed0"],
            "2 variants, 2 seeds at most of each; bands: range of the seeds.",
        ),
        (["A-x-seed0", "A-y-seed0"], "2 models; intervals: 95 % over episodes."),
    ],
)
def test_models_bands_and_episodes_are_told(models: list[str], told: str) -> None:
    found = caption(draw, models, 20_000, "test episodes", question="Does it?")
    assert found == f"Does it? Risk against time. {told} 20,000 test episodes."


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_says_what_its_figure_shows(name: str) -> None:
    if ANALYSES.is_plugin(name):
        pytest.skip("its author decides")
    shown = caption(ANALYSES[name].draw, ["A-x-seed0"], 100)
    assert shown.endswith(". One model; intervals: 95 % over episodes. 100 episodes.")
    assert not shown.startswith("One model")
