"""The variants of the model: a name, and where the variant with that name lives."""

from icl_mlflow.variants.catalogue import Catalogue

VARIANTS = Catalogue(
    plain={
        "baseline": "icl_mlflow.variants.paper:BASELINE",
        "interleaved": "icl_mlflow.variants.paper:INTERLEAVED",
        "no_labels": "icl_mlflow.variants.paper:NO_LABELS",
        "shuffled_labels": "icl_mlflow.variants.paper:SHUFFLED_LABELS",
        "shuffled_context": "icl_mlflow.variants.paper:SHUFFLED_CONTEXT",
        "frozen_attention": "icl_mlflow.variants.paper:FROZEN_ATTENTION",
        "frozen_query_key": "icl_mlflow.variants.paper:FROZEN_QUERY_KEY",
        "frozen_position": "icl_mlflow.variants.paper:FROZEN_POSITION",
        "no_position": "icl_mlflow.variants.paper:NO_POSITION",
        "context_increase": "icl_mlflow.variants.paper:CONTEXT_INCREASE",
        "wide_position_table": "icl_mlflow.variants.paper:WIDE_POSITION_TABLE",
        "no_nuisance": "icl_mlflow.variants.paper:NO_NUISANCE",
        "hidden_query": "icl_mlflow.variants.visibility:HIDDEN_QUERY",
        "pre_norm": "icl_mlflow.variants.architectures:PRE_NORM",
        "linear_attention": "icl_mlflow.variants.architectures:LINEAR_ATTENTION",
        "mlp": "icl_mlflow.variants.architectures:MLP",
        "lstm": "icl_mlflow.variants.architectures:LSTM",
    },
    families={"noisy_labels": "icl_mlflow.variants.paper:noisy_labels"},
    examples={"noisy_labels": (0.1, 0.2, 0.4)},
)

__all__ = ["VARIANTS"]
