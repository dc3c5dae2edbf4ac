"""The transformer, its architecture as data, and its internals as outputs."""

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS
from icl_mlflow.models.sites import Site
from icl_mlflow.models.trace import Edit, Trace
from icl_mlflow.models.transformer import Transformer

__all__ = ["EMBEDDINGS", "Architecture", "Edit", "Site", "Trace", "Transformer"]
