"""A variant that cannot be built says so at once."""

import pytest

from icl_mlflow.variants.base import Variant


def test_a_position_table_too_short_for_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no room for context_factor=2"):
        Variant(question="?", context_factor=2)
