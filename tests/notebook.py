"""The research notebook, where it is at hand, for comparison."""

import contextlib
import logging
import os
import runpy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch

_BESIDE = Path(__file__).parents[2] / "shared" / "notebook" / "baseline.py"

#: Its file: the variable names it; if not, it may lie beside the repository.
NOTEBOOK = Path(os.environ.get("ICL_MLFLOW_NOTEBOOK") or _BESIDE)

needs_notebook = pytest.mark.skipif(
    not NOTEBOOK.exists(), reason="ICL_MLFLOW_NOTEBOOK names no notebook"
)


def load() -> dict[str, Any]:
    """The notebook's classes and functions, by their own names."""
    with undone():
        namespace: dict[str, Any] = runpy.run_path(str(NOTEBOOK))["load"]()
    return namespace


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Random numbers, plots, warnings and logging as they were before."""
    numpy_state = np.random.get_state()  # noqa: NPY002 -- the notebook seeds this one
    cudnn = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    logging.disable(logging.CRITICAL)
    try:
        with torch.random.fork_rng(), mpl.rc_context(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        np.random.set_state(numpy_state)  # noqa: NPY002 -- and it gets its state back
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
