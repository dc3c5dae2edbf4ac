"""The transformer, its architecture as data, its internals; other families."""

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS
from icl_mlflow.models.families import FAMILIES
from icl_mlflow.models.families.base import InContextModel
from icl_mlflow.models.sites import Site
from icl_mlflow.models.trace import Edit, Trace
from icl_mlflow.models.transformer import Transformer

__all__ = [
    "EMBEDDINGS",
    "FAMILIES",
    "Architecture",
    "Edit",
    "InContextModel",
    "Site",
    "Trace",
    "Transformer",
]
