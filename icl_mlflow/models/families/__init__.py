"""The families of models, each behind the interface of `InContextModel`."""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.models.families.base import InContextModel

FAMILIES: "Registry[type[InContextModel]]" = Registry(
    "family",
    {
        "transformer": "icl_mlflow.models.transformer:Transformer",
        "mlp": "icl_mlflow.models.families.mlp:MLP",
        "lstm": "icl_mlflow.models.families.lstm:LSTM",
    },
)

__all__ = ["FAMILIES"]
