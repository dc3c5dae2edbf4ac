"""The sentence that an analysis makes of the tables of some models."""

import pandas as pd

from icl_mlflow.analysis.base import Analysis
from icl_mlflow.analysis.report.answer import Measurement, answers


def concluded(analysis: Analysis, *frames: pd.DataFrame, guesses: bool = False) -> str:
    """What is said of models, one a table, of one variant."""
    measured = [
        Measurement(
            model=f"A-baseline-seed{seed}",
            group="baseline",
            frame=frame,
            numbers=analysis.summarise(frame),
            episodes=1_000,
            guesses=guesses,
        )
        for seed, frame in enumerate(frames)
    ]
    (answer,) = answers("planted", analysis, measured)
    return answer.verdict
