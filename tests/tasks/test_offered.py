"""A choice of what a task offers has one spelling, however it was typed."""

import pytest

from icl_mlflow.tasks.offered import canonical_names, listed

OFFERED = ("wide", "far", "near")


@pytest.mark.parametrize(
    ("typed", "canonical", "names"),
    [
        ("none", "none", []),
        ("all", "far+near+wide", ["far", "near", "wide"]),
        ("wide", "wide", ["wide"]),
        ("wide+far", "far+wide", ["far", "wide"]),
    ],
)
def test_names_are_put_in_order(typed: str, canonical: str, names: list[str]) -> None:
    assert canonical_names(OFFERED, typed, "shift") == canonical
    assert canonical_names(OFFERED, canonical, "shift") == canonical
    assert listed(canonical) == names


def test_all_of_nothing_is_none() -> None:
    assert canonical_names((), "all", "curriculum") == "none"


@pytest.mark.parametrize(
    "wrong", ["", "deep", "far+far", "far+", "all+far", "none+far"]
)
def test_another_name_is_answered_with_those_that_are_offered(wrong: str) -> None:
    with pytest.raises(ValueError, match="this task has no shift '") as error:
        canonical_names(OFFERED, wrong, "shift")
    assert "choose one of: none, all, wide, far, near, or several" in str(error.value)
