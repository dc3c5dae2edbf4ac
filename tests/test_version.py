"""The version is one, wherever it is written."""

from importlib.metadata import version
from pathlib import Path

import icl_mlflow
from icl_mlflow.version import VERSION

ROOT = Path(__file__).parents[1]


def test_one_version_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert VERSION == icl_mlflow.__version__ == version("icl-mlflow")
    assert f"\nversion: {VERSION}\n" in citation
