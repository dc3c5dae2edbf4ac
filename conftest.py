"""Which modules pytest leaves out when it looks for doctests."""

from importlib.util import find_spec

# It needs an extra, which may be missing.
collect_ignore = [] if find_spec("ray") else ["icl_mlflow/launch/ray_cluster.py"]
