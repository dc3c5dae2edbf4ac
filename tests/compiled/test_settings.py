"""A circuit that does not exist is answered with those that do."""

import pytest

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.settings import CompileSettings


def test_an_unknown_circuit_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match="did you mean class_means") as raised:
        CompileSettings(circuit="class_mean")
    assert str(raised.value).endswith(", ".join(CIRCUITS))
