"""An ablation's figures come out of its tables as they were; see also
``tests/workflows/test_reproduce.py`` for those of a reproduction.
"""

from pathlib import Path

from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import Store
from tests.workflows.figures.redrawn import assert_drawn_as_logged


def test_an_ablation_is_drawn_as_it_was(
    suite: tuple[Path, str], suite_store: Store
) -> None:
    """Its differences may be negative, which tables escape."""
    assert_drawn_as_logged(EndedRun.of(suite_store.client, suite[1]))
