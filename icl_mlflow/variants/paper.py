"""The ablations of arXiv 2603.10573, part II, as one table."""

from icl_mlflow.variants.base import Variant

BASELINE = Variant(question="What does the full model reach?")
