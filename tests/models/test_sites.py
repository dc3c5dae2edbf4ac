"""Every site has a name that no other has."""

import pytest

from icl_mlflow.models.sites import Site, sites


@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_names_are_told_apart(n_layers: int) -> None:
    names = [name for site in sites(n_layers) for name in site.hook_names(n_layers)]
    assert len(set(names)) == len(names)


def test_the_first_and_the_last_stream_have_one_name() -> None:
    assert Site("residual", 0).hook_names(3) == ("blocks.0.hook_resid_pre",)
    last = ("blocks.2.hook_normalized_resid_post",)
    assert Site("residual", 3).hook_names(3) == last
