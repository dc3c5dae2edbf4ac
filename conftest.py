"""What pytest leaves out and how many processes it takes, and a plug-in of ours."""

import os
from importlib.util import find_spec

from icl_mlflow.suite.engines.process_pool import usable_cores

# It counts what the fault tests do, wherever they lie.
pytest_plugins = ["tests.faults.ledger"]

# It needs an extra, which may be missing.
collect_ignore = [] if find_spec("ray") else ["icl_mlflow/suite/engines/ray_pool.py"]


def pytest_xdist_auto_num_workers() -> int:
    """Three processes for two cores: one in three waits for what it has started."""
    if given := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(given)
    cores = usable_cores()
    return cores + (cores + 1) // 2
