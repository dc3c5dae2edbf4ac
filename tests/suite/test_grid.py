"""Seeds are read as they are written, and written as they are read."""

from hypothesis import given
from hypothesis import strategies as some

from icl_mlflow.suite.grid import parse_seeds, shown_seeds


@given(some.lists(some.integers(0, 30), min_size=1))
def test_what_is_written_reads_as_the_same_seeds(seeds: list[int]) -> None:
    assert parse_seeds(shown_seeds(seeds)) == tuple(dict.fromkeys(seeds))


def test_a_thousand_seeds_make_a_short_name() -> None:
    assert shown_seeds(range(1_000)) == "0-999"
    assert shown_seeds([2, 0, 1]) == "2,0,1"
