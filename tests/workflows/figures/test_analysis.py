"""Figures of analyses and comparisons come out of their tables as they were.

That every analysis draws the same of its CSV is among the contracts of analyses.
"""

from pathlib import Path

import icl_mlflow
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store
from tests.conftest import TrainedRuns
from tests.workflows.figures.redrawn import assert_drawn_as_logged


def test_questions_to_several_models_are_drawn_as_they_were(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    analysis = icl_mlflow.analyze(
        trained_runs.baseline,
        ["calibration", "named_shifts"],
        episodes=200,
        device="cpu",
        quiet=True,
    )
    assert_drawn_as_logged(EndedRun.of(trained_store.client, analysis.run_id))


def test_variants_side_by_side_are_drawn_as_they_were(
    suite: tuple[Path, str], suite_store: Store
) -> None:
    analysis = icl_mlflow.analyze(
        suite[1], ["calibration", "logit_lens"], episodes=200, device="cpu", quiet=True
    )
    assert_drawn_as_logged(EndedRun.of(suite_store.client, analysis.run_id))


def test_a_comparison_is_drawn_as_it_was(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    compared = icl_mlflow.compare(
        trained_runs.baseline, trained_runs.no_labels, episodes=200
    )
    assert_drawn_as_logged(EndedRun.of(trained_store.client, compared.run_id))
