"""The axes of a grid: settings that take several values, as people write them.

Every combination of the values is a cell: a training of its own, whose exact Bayes
predictor may be another one than its neighbour's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, fields, replace
from itertools import product
from typing import Any

from icl_mlflow.registry import unknown_name
from icl_mlflow.settings import checked, never, value_type
from icl_mlflow.tasks.parameters import declared, given_to
from icl_mlflow.tasks.wrappers.wrapping import UNWRAPPED, WRAPPER_PARAMETERS
from icl_mlflow.training.settings import TrainSettings

#: What a setting may be.
Value = int | float | str
#: Axes as people give them: ``{"dim": [4, 8]}`` is ``"dim=4,8"``.
Grid = str | Mapping[str, Iterable[Value]]
#: Name to values, in order, each once.
Axes = Mapping[str, tuple[Value, ...]]
#: Name to value.
Cell = Mapping[str, Value]

#: What parts the axes in one text.
BETWEEN = ";"

#: A suite is of one task; variants and seeds have options of their own.
_NO_AXES = {"task", "variant", "seed"}
_MOST_CELLS = 1_000
_WORDS = {"true": True, "false": False}


def axes_of(grid: Grid, settings: TrainSettings) -> dict[str, tuple[Value, ...]]:
    """The axes of a grid around these settings, checked value by value.

    Raises:
        ValueError: no setting of that name, one that is given twice, a value that it
            cannot have, or more cells than anyone trains.

    >>> axes_of("dim=4,8;tau=0", TrainSettings(task="A"))
    {'dim': (4, 8), 'tau': (0.0,)}
    """
    given = _of_text(grid) if isinstance(grid, str) else _of_mapping(grid)
    known = _declared(settings.task)
    found: dict[str, tuple[Value, ...]] = {}
    for name, values in given.items():
        if name not in known:
            raise unknown_name("axis", name, known)
        each = [_value(settings.task, known[name], value) for value in values]
        found[name] = tuple(dict.fromkeys(each))
    if math.prod(map(len, found.values())) > _MOST_CELLS:
        raise ValueError(f"the grid has more than {_MOST_CELLS:,} cells")
    return found


def shown_axes(axes: Axes) -> str:
    """The axes in one text, which `axes_of` reads.

    >>> shown_axes({"dim": (4, 8), "tau": (0.0, 3.0)})
    'dim=4,8;tau=0,3'
    """
    return BETWEEN.join(
        f"{name}={','.join(map(shown_value, values))}" for name, values in axes.items()
    )


def shown_value(value: Value) -> str:
    """A value as people write it, exact: ``3``, ``0.001``, ``bf16``, ``true``."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if not isinstance(value, float) or float(text) == value else repr(value)


def cells_of(axes: Axes) -> list[Cell]:
    """Every combination, the last axis fastest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def in_cell(settings: TrainSettings, cell: Cell) -> TrainSettings:
    """The settings of a cell.

    Raises:
        ValueError: values that contradict each other; the message names the cell.
    """
    changes: dict[str, Any] = dict(cell)
    try:
        return replace(settings, **changes)
    except ValueError as error:
        raise ValueError(f"cell {shown_cell(cell)}: {error}") from error


def cell_of(member: TrainSettings, axes: Iterable[str]) -> dict[str, Value]:
    """Where a member stands in the grid."""
    values = {f.name: getattr(member, f.name) for f in fields(member)}
    known = {**values, **UNWRAPPED, **member.task_parameters}
    return {name: known[name] for name in axes}


def shown_cell(cell: Cell) -> str:
    """A cell for readers.

    >>> shown_cell({"dim": 4, "tau": 0.0})
    'dim=4 tau=0'
    """
    return " ".join(f"{name}={shown_value(value)}" for name, value in cell.items())


def member_name(member: TrainSettings, axes: Sequence[str] = ()) -> str:
    """What the run of a member is called; in a grid it names the cell.

    >>> member_name(TrainSettings(dim=4), ["dim", "tau"])
    'A-baseline-dim4-tau3-seed0'
    """
    where = [f"{n}{shown_value(v)}" for n, v in cell_of(member, axes).items()]
    return "-".join([member.task, member.variant, *where, f"seed{member.seed}"])


def _of_text(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in text.split(BETWEEN):
        name, _, values = (word.strip() for word in part.partition("="))
        if not name or not values:
            raise ValueError(f"a grid is like dim=4,8,16, not {part.strip()!r}")
        if name in found:
            raise ValueError(f"{name} is an axis twice; give all its values at once")
        found[name] = [value.strip() for value in values.split(",")]
    return found


def _of_mapping(grid: Mapping[str, Iterable[Value]]) -> dict[str, list[Value]]:
    found = {}
    for name, values in grid.items():
        if isinstance(values, (str, int, float)):
            raise TypeError(f"axis {name} takes several values, such as [{values!r}]")
        found[name] = list(values)
        if not found[name]:
            raise ValueError(f"axis {name} has no value")
    return found


def _declared(task: str) -> dict[str, Field[Any]]:
    """What can be an axis: what decides a result, parameters of task and wrappers."""
    own = {
        field.name: field
        for field in fields(TrainSettings)
        if field.name not in _NO_AXES and field.metadata["decides"] is not never
    }
    return {**own, **declared(task), **WRAPPER_PARAMETERS}


def _value(task: str, field: Field[Any], given: Value) -> Value:
    """One value of an axis, of the setting's type and within its bounds.

    Raises:
        ValueError: names the setting, the value and what is allowed.
    """
    value = _read(value_type(field), given) if isinstance(given, str) else given
    if field.name in declared(task):
        return given_to(task, {field.name: value})[field.name]
    found: Value = checked(field, value)
    return found


def _read(kind: type, text: str) -> Value:
    """The text as a value of a kind; as it is where it is none, to be refused."""
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    if kind in {int, float}:
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            return text
    return text
