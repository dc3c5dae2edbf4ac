"""The variant that hides the query from the context, which the paper lacks."""

from icl_mlflow.variants.base import Variant

HIDDEN_QUERY = Variant(
    question="Must the context see the query?",
    query_hidden=True,
)
