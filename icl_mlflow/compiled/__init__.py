"""Models whose circuit is known: weights written by hand, and the truth about them.

Every way of looking into a model can be tried on these first: what it should find is
data. Each is one of this package's transformers, with nothing about it that a trained
one could not have.
"""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.compiled.circuit import Circuit

_HERE = "icl_mlflow.compiled"

CIRCUITS: "Registry[Circuit]" = Registry(
    "circuit",
    {
        "class_means": f"{_HERE}.class_means:CLASS_MEANS",
        "centred_means": f"{_HERE}.centred_means:CENTRED_MEANS",
        "squares": f"{_HERE}.squares:SQUARES",
        "decoy_heads": f"{_HERE}.decoy_heads:DECOY_HEADS",
        "label_balance": f"{_HERE}.label_balance:LABEL_BALANCE",
        "two_layers": f"{_HERE}.two_layers:TWO_LAYERS",
        "kernel_vote": f"{_HERE}.kernel_vote:KERNEL_VOTE",
    },
)
