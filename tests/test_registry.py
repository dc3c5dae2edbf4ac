"""Names are listed without imports, entries are imported when used, errors help."""

import subprocess
import sys

import pytest

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.registry import Registry, UnknownNameError
from icl_mlflow.tasks import TASKS
from icl_mlflow.variants import VARIANTS


@pytest.fixture
def shapes() -> Registry[object]:
    return Registry("shape", {"root": "math:sqrt", "power": "math:pow"})


def test_an_entry_is_what_lives_at_its_place(shapes: Registry[object]) -> None:
    import math  # noqa: PLC0415 -- the very module that the registry imports

    assert shapes["root"] is math.sqrt
    assert list(shapes) == ["root", "power"]
    assert len(shapes) == 2
    assert dict(shapes) == {"root": math.sqrt, "power": math.pow}
    assert "root" in shapes
    assert "roots" not in shapes


def test_a_wrong_name_is_answered_with_the_right_ones(shapes: Registry[object]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        shapes["rot"]
    assert str(caught.value) == (
        "unknown shape 'rot'; did you mean root? choose one of: root, power"
    )
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(KeyError, match=r"^unknown shape 'x'; choose one of: root, pow"):
        shapes["x"]


def test_a_missing_name_has_the_default_of_a_mapping(shapes: Registry[object]) -> None:
    assert shapes.get("nothing") is None


def test_names_are_taken_once(shapes: Registry[object]) -> None:
    shapes.add("floor", "math:floor")
    assert "floor" in shapes
    with pytest.raises(ValueError, match="shape 'floor' is already registered"):
        shapes.add("floor", "math:ceil")


def test_a_table_prints_the_names_in_it() -> None:
    assert str(TASKS) == "tasks: A, B, C, D, E, F"
    assert repr(VARIANTS).startswith("variants: baseline, interleaved, ")
    assert "noisy_labels_0.1" in repr(VARIANTS)
    assert repr(ANALYSES).startswith("analyses: scoreboard, calibration, ")


def test_listing_tasks_and_variants_imports_neither_torch_nor_mlflow() -> None:
    program = (
        "import sys\n"
        "from icl_mlflow.tasks import TASKS\n"
        "from icl_mlflow.variants import VARIANTS\n"
        "assert 'A' in TASKS and 'baseline' in VARIANTS and list(TASKS)\n"
        "print(sorted({'torch', 'mlflow', 'scipy'} & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
