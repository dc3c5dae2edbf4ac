"""The page of a diagram: the claims, and a row a pool."""

from icl_mlflow.analysis.diversity.claims import claims
from icl_mlflow.analysis.diversity.page import ends, page
from tests.analysis.diversity.planted import POOLS, planted


def test_the_page_has_the_command_the_verdicts_and_every_pool() -> None:
    table = planted()
    text = page(table, claims(table), "icl-mlflow diagram", "What was trained.")
    assert text.startswith("## Memorise or generalise?")
    assert "```sh\nicl-mlflow diagram\n```" in text
    assert text.count("| yes |") == 4
    assert "| 1,024 |" in text


def test_a_pool_ends_with_the_mean_of_its_seeds_and_their_range() -> None:
    found = ends(planted())
    assert list(found["tasks in the pool"]) == [f"{pool:,}" for pool in POOLS]
    assert found["share, in the pool"].iloc[2] == "0.500 (0.500 to 0.500)"
    assert found["Bayes under the pool, out of it"].iloc[0] == "1.500"
