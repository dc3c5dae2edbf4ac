"""The variants of the model: a name, and where the variant with that name lives."""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.variants.base import Variant

VARIANTS: "Registry[Variant]" = Registry(
    "variant", {"baseline": "icl_mlflow.variants.paper:BASELINE"}
)
