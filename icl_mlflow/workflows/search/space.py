"""The space of a search: which settings are looked for, and between which ends.

``lr=1e-4:1e-2`` is a range, both ends included; whole numbers where the setting is one,
and on a logarithmic scale where it spans a factor of ten. ``batch_size=16,32,64`` is a
choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from icl_mlflow.suite.axes import (
    BETWEEN,
    Value,
    axes_of,
    in_cell,
    shown_axes,
    shown_value,
)
from icl_mlflow.suite.request import check_ready
from icl_mlflow.training.settings import TrainSettings

#: What parts the ends of a range.
_TO = ":"
#: From this factor between its ends on a range is logarithmic.
_LOGARITHMIC_FROM = 10


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``."""

    low: int | float
    high: int | float

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return isinstance(self.low, int)

    @property
    def is_logarithmic(self) -> bool:
        """Whether equal factors count alike, and not equal differences."""
        return self.low > 0 and self.high / self.low >= _LOGARITHMIC_FROM


#: Setting to a range, or to the values to choose from.
Space = Mapping[str, Range | tuple[Value, ...]]


def space_of(text: str, settings: TrainSettings) -> Space:
    """The space around these settings, each end and each choice tried by itself.

    Raises:
        ValueError: no setting of that name, an end or a choice that it cannot have, or
            a range that runs backwards.
    """
    ends: list[str] = []
    choices: list[str] = []
    for part in text.split(BETWEEN):
        values = part.partition("=")[2]
        (ends if _TO in values else choices).append(part)
    ranges = axes_of(BETWEEN.join(ends).replace(_TO, ","), settings) if ends else {}
    axes = axes_of(BETWEEN.join(choices), settings) if choices else {}
    if twice := ranges.keys() & axes.keys():
        raise ValueError(f"{min(twice)} is given twice")
    found: dict[str, Range | tuple[Value, ...]] = {
        name: _range(name, values) for name, values in ranges.items()
    }
    found |= axes
    for name, each in {**ranges, **axes}.items():
        for value in each:
            check_ready(in_cell(settings, {name: value}))
    return found


def shown_space(space: Space) -> str:
    """The space in one text, which `space_of` reads."""
    parts = []
    for name, values in space.items():
        if isinstance(values, Range):
            low, high = shown_value(values.low), shown_value(values.high)
            parts.append(f"{name}={low}{_TO}{high}")
        else:
            parts.append(shown_axes({name: values}))
    return BETWEEN.join(parts)


def _range(name: str, ends: tuple[Value, ...]) -> Range:
    if len(ends) != 2 or not all(_is_number(end) for end in ends):  # noqa: PLR2004
        raise ValueError(f"a range is like lr=1e-4:1e-2; {name} is none")
    low, high = ends
    assert isinstance(low, (int, float))
    assert isinstance(high, (int, float))
    if high <= low:
        raise ValueError(f"the range of {name} must rise, not {low:g}{_TO}{high:g}")
    return Range(low, high)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
