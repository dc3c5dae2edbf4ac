"""An import is asked for files and, where their folder does not tell, what they are."""

from typing import Any

import pytest

from icl_mlflow.published.settings import ImportSettings


def test_files_alone_are_enough() -> None:
    settings = ImportSettings(path="models/**/*.pt")
    assert settings.n_context == 32
    assert settings.published_experiment is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_context": 0}, "n_context must be at least 1, not 0"),
        ({"published_experiment": "task_A_normal"}, "task_A_regular"),
        ({"published_experiment": "task_Z_regular"}, "task_A_regular|choose one of"),
    ],
)
def test_a_wrong_value_is_answered_with_the_right_ones(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        ImportSettings(path="models", **wrong)
    assert "\n" not in str(error.value)
