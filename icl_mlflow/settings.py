"""Declare a settings field once: default, help text, bounds and allowed values.

Command-line options, MLproject keys, MLflow params and the checks of the Python API
are all derived from these declarations.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from icl_mlflow.registry import unknown_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Of whole numbers that have no bound of their own: what 64 bits hold.
_LARGEST_INT = 2**63 - 1

#: The field that holds what is given of a task's own parameters.
PARAMETERS = "parameters"

T = TypeVar("T")
Choices = Callable[[], Collection[str]]
#: Whether a field decides the result of these settings.
Decides = Callable[[Any], bool]


@dataclass(frozen=True)
class Pattern:
    """What a text must be.

    Attributes:
        expression: a regular one, of the whole text.
        words: the same for readers.
    """

    expression: str
    words: str


#: What may stand before the name of a registered model: MLflow takes no / and : there.
MODEL_PREFIX = Pattern(
    r"[\w.+-]{0,64}", "at most 64 letters, digits and - _ . +, such as ann-"
)


def always(_settings: object) -> bool:
    """The field decides the result, whatever the others are."""
    return True


def never(_settings: object) -> bool:
    """The field says how the result is computed, and not what it is."""
    return False


def setting(
    default: T,
    text: str,
    *,
    choices: Choices | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    pattern: Pattern | None = None,
    decides: Decides = always,
    frozen: object = MISSING,
    group: str | None = None,
    joined_by: str | None = None,
) -> T:
    """Declare a field: its default, one sentence of help, and what it may be.

    Args:
        default: the value when none is given; None where the program decides.
        text: one sentence of help.
        choices: the allowed names, asked for when needed.
        minimum: an inclusive lower bound.
        maximum: an inclusive upper bound.
        above: an exclusive lower bound.
        pattern: what text must be.
        decides: for which settings it decides the result; see `icl_mlflow.identity`.
        frozen: the value that identities leave out, where that is no longer the
            default. Whoever changes a default gives the first one here.
        group: the title in ``--help`` that this field and those after it stand under,
            until another field begins one.
        joined_by: the option may be given several times; what then stands between.
    """
    return field(
        default=default,
        metadata={
            "help": text,
            "choices": choices,
            "minimum": minimum,
            "maximum": maximum,
            "above": above,
            "pattern": pattern,
            "decides": decides,
            "frozen": default if frozen is MISSING else frozen,
            "group": group,
            "joined_by": joined_by,
        },
    )


def task_parameters(otherwise: str) -> Any:
    """Declare the field ``parameters``: those of a task that are given, by name.

    Args:
        otherwise: what holds where one is not given; ``{default}`` is the task's own.
    """
    about = {"help": otherwise, "decides": never}
    return field(default_factory=dict, hash=False, metadata=about)


def required(text: str, *, choices: Choices | None = None) -> Any:
    """Declare a field that every caller must give; ``choices`` as for `setting`."""
    return field(metadata={"help": text, "choices": choices})


def value_type(declared: Field[Any]) -> type:
    """The type of a field's values: ``int`` for ``int`` as for ``int | None``."""
    kinds = [k for k in get_args(declared.type) if k is not type(None)]
    found = kinds[0] if kinds else declared.type
    assert isinstance(found, type)
    return found


def check(settings: "DataclassInstance") -> None:
    """Check every field against its declaration, and turn ints into declared floats.

    Raises:
        ValueError: names the field, the value and what is allowed.
    """
    for declared in fields(settings):
        if declared.name == PARAMETERS:  # a task has their declarations
            continue
        value = getattr(settings, declared.name)
        if value is None and declared.default is None:
            continue
        object.__setattr__(settings, declared.name, checked(declared, value))


def checked(declared: Field[Any], value: Any) -> Any:
    """A value that a field may have; a whole number where that is a float becomes one.

    Raises:
        ValueError: names the field, the value and what is allowed.
    """
    kind = value_type(declared)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{declared.name} must be {_article(kind)}, not {value!r}")
    _check_choice(declared, value)
    _check_pattern(declared, value)
    _check_bounds(declared, value)
    return value


def values_of(settings: "DataclassInstance") -> dict[str, Any]:
    """Every value by its name; parameters of a task stand among the fields."""
    found = {field.name: getattr(settings, field.name) for field in fields(settings)}
    parameters = found.pop(PARAMETERS, {})
    return {**found, **parameters}


def is_required(declared: Field[Any]) -> bool:
    """Whether every caller must give the field."""
    return declared.default is MISSING


def _article(kind: type) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
    }
    return names.get(kind, kind.__name__)


def _check_choice(declared: Field[Any], value: object) -> None:
    choices = declared.metadata.get("choices")
    if choices is None or value in (known := choices()):
        return
    raise unknown_name(declared.name, str(value), known)


def _check_pattern(declared: Field[Any], value: Any) -> None:
    pattern: Pattern | None = declared.metadata.get("pattern")
    if pattern and re.fullmatch(pattern.expression, value, re.ASCII) is None:
        raise ValueError(f"{declared.name} must be {pattern.words}, not {value!r}")


def _check_bounds(declared: Field[Any], value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{declared.name} must be finite, not {value}")
    low = declared.metadata.get("minimum")
    high = declared.metadata.get("maximum")
    if high is None and type(value) is int:
        high = _LARGEST_INT
    above = declared.metadata.get("above")
    if low is not None and value < low:
        raise ValueError(f"{declared.name} must be at least {low}, not {value}")
    if high is not None and value > high:
        raise ValueError(f"{declared.name} must be at most {high}, not {value}")
    if above is not None and value <= above:
        raise ValueError(f"{declared.name} must be above {above}, not {value}")
