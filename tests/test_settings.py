"""A field's declaration decides what it may be, and its errors say so."""

import math
import re
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pytest

from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.settings import (
    Pattern,
    check,
    is_required,
    required,
    setting,
    value_type,
)
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Cake:
    name: str = required("What it is called.")
    layers: int = setting(2, "How many layers.", minimum=1, maximum=5)
    weight: float = setting(1.5, "In kilograms.", above=0)
    candles: int | None = setting(None, "One a year.", minimum=0)
    icing: str = setting("sugar", "On top.", choices=lambda: ("sugar", "chocolate"))
    eaten: bool = setting(False, "Too late?")
    label: str | None = setting(
        None, "On a flag.", pattern=Pattern("[a-z]{0,3}", "at most three small letters")
    )

    def __post_init__(self) -> None:
        check(self)


def test_right_values_pass_and_whole_numbers_become_declared_floats() -> None:
    cake = Cake(name="plain", weight=2, candles=0, layers=5, icing="chocolate")
    assert (cake.weight, type(cake.weight)) == (2.0, float)
    assert Cake(name="plain") == Cake(name="plain", weight=1.5, candles=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, not 0"),
        ({"layers": 6}, "layers must be at most 5, not 6"),
        ({"layers": 2.0}, "layers must be a whole number, not 2.0"),
        ({"layers": True}, "layers must be a whole number, not True"),
        ({"layers": None}, "layers must be a whole number, not None"),
        ({"weight": 0.0}, "weight must be above 0, not 0.0"),
        ({"weight": math.nan}, "weight must be finite, not nan"),
        ({"weight": math.inf}, "weight must be finite, not inf"),
        ({"weight": "1"}, "weight must be a number, not '1'"),
        ({"candles": -1}, "candles must be at least 0, not -1"),
        ({"candles": 1.5}, "candles must be a whole number, not 1.5"),
        ({"eaten": 1}, "eaten must be true or false, not 1"),
        ({"name": 3}, "name must be text, not 3"),
        ({"label": "ab1"}, "label must be at most three small letters, not 'ab1'"),
        ({"label": "abcd"}, "label must be at most three small letters, not 'abcd'"),
        ({"label": "abc\n"}, "label must be at most three small letters, not 'abc\\n'"),
        (
            {"icing": "chocolatte"},
            (
                "unknown icing 'chocolatte'; did you mean chocolate? "
                "choose one of: sugar, chocolate"
            ),
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Cake(**{"name": "plain", **wrong})


@pytest.mark.parametrize("kind", [TrainSettings, partial(ImportSettings, path="a")])
def test_a_prefix_has_only_what_a_registry_takes(kind: Any) -> None:
    assert kind(model_prefix="team.1_a-").model_prefix == "team.1_a-"
    for wrong in ("a/b", "a:b", "a b", "a'", "x" * 65):
        with pytest.raises(ValueError, match="model_prefix must be at most 64 letters"):
            kind(model_prefix=wrong)


def test_a_declaration_can_be_read_back() -> None:
    declared = {field.name: field for field in fields(Cake)}
    assert value_type(declared["candles"]) is int
    assert value_type(declared["weight"]) is float
    assert declared["layers"].metadata["help"] == "How many layers."
    assert [name for name, field in declared.items() if is_required(field)] == ["name"]
