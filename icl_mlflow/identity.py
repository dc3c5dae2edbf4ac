"""The identity of a training: a hash of what its settings mean.

A setting counts where it decides the result and differs from the value that an identity
leaves out: its first default, for ever. So a new setting, or a new parameter of a task,
leaves every identity as it was, and what was trained before is found again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Part of every identity. It rises when the same settings give another result, or
#: record something else, than before: other random draws, another initial distribution,
#: another step or rounding rule. It does not rise for a new setting, task, variant or
#: parameter, which are left out at their default, nor for what is only faster. From 3
#: to 4 it rose without need, for the last time: identities became what they are here.
RECIPE = 4


def decisive(
    declared: "DataclassInstance", meant: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields that decide the result and are not at their first default.

    Args:
        declared: settings, or a task: a dataclass whose fields `icl_mlflow.settings`
            declares.
        meant: what a value stands for, by field, where it is not what is written.

    >>> from icl_mlflow.training.settings import TrainSettings
    >>> decisive(TrainSettings(lr=1e-3, threads=2))
    {'lr': 0.001}
    """
    found = {}
    for field in fields(declared):
        value = getattr(declared, field.name)
        value = value if meant is None else meant.get(field.name, value)
        if field.metadata["decides"](declared) and value != field.metadata["frozen"]:
            found[field.name] = value
    return found


def digest(meaning: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits: equal for equal meanings under one `RECIPE`."""
    text = json.dumps({**meaning, "recipe": RECIPE}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
