"""Which modules pytest leaves out when it looks for doctests, and a plug-in of ours."""

from importlib.util import find_spec

# It counts what the fault tests do, wherever they lie.
pytest_plugins = ["tests.faults.ledger"]

# It needs an extra, which may be missing.
collect_ignore = [] if find_spec("ray") else ["icl_mlflow/suite/engines/ray_pool.py"]
