"""Of an error of others, one line is shown."""

import pytest

from icl_mlflow.suite.engines.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("no cluster\nTraceback: ..."), "no cluster"),
        (RuntimeError("\n   no cluster  \n"), "no cluster"),
        (RuntimeError(""), "RuntimeError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_it_is_the_first_with_something_in_it_or_the_kind(
    error: Exception, line: str
) -> None:
    assert first_line(error) == line
