"""What the context may attend to: a question that the paper does not ask."""

from icl_mlflow.variants.base import Variant

HIDDEN_QUERY = Variant(
    question="Must the context see the query?",
    query_hidden=True,
)
