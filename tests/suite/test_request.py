"""What is asked for is checked whole, member by member, before anything is created."""

from dataclasses import replace
from pathlib import Path

import pytest

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import (
    choose_variants,
    one_model,
    several_seeds,
    several_variants,
)
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS

SETTINGS = TrainSettings.preset("smoke", threads=3)


def test_one_model_is_its_own_only_member() -> None:
    request = one_model(SETTINGS, Execution(resume="0a1b2c"))
    assert request.members == (SETTINGS,)
    assert (request.variants, request.seeds) == (("baseline",), (0,))


def test_members_of_a_suite_have_a_thread_each() -> None:
    request = several_seeds(SETTINGS, "0-2", Execution())
    assert request.seeds == (0, 1, 2)
    assert request.settings == SETTINGS
    assert request.members == tuple(
        replace(SETTINGS, threads=1, seed=seed) for seed in (0, 1, 2)
    )


def test_variants_are_compared_with_the_baseline_which_comes_first() -> None:
    request = several_variants(SETTINGS, "no_labels", (5, 6), Execution())
    assert request.variants == ("baseline", "no_labels")
    assert [(m.variant, m.seed) for m in request.members] == [
        ("baseline", 5),
        ("baseline", 6),
        ("no_labels", 5),
        ("no_labels", 6),
    ]


def test_all_are_those_that_the_task_can_have() -> None:
    chosen = choose_variants("all", "B")
    assert chosen[0] == "baseline"
    assert set(chosen) <= set(VARIANTS.working())
    assert set(choose_variants(list(chosen), "B")) == set(chosen)


def test_a_grid_has_every_variant_and_seed_in_every_cell() -> None:
    grid = {"dim": (2, 4), "lr": (1e-3,)}
    request = several_variants(SETTINGS, "default", (5, 6), Execution(), grid)
    assert request.variants == ("baseline",)
    assert {name: len(members) for name, members in request.cells.items()} == {
        "dim=2 lr=0.001": 2,
        "dim=4 lr=0.001": 2,
    }
    assert [(m.dim, m.lr, m.seed) for m in request.members] == [
        *((2, 1e-3, 5), (2, 1e-3, 6), (4, 1e-3, 5), (4, 1e-3, 6))
    ]
    assert "A-baseline-dim2-lr0.001-seed5" in request.names(request.members)
    assert several_variants(SETTINGS, "default", (5,), Execution()).variants != (
        "baseline",
    )


def test_cells_that_are_one_training_are_refused() -> None:
    with pytest.raises(ValueError, match="are the same training"):
        several_variants(SETTINGS, "default", (0,), Execution(), "queries_share=0.5,1")
    grid = {"tau": [float(tau) for tau in range(11)]}
    with pytest.raises(ValueError, match="more than 100,000 members"):
        several_variants(SETTINGS, "default", range(10_000), Execution(), grid)


def test_what_could_not_be_trained_is_refused_and_nothing_is_created(
    new_folder: Path,
) -> None:
    with pytest.raises(ValueError, match="engine is for several models"):
        one_model(SETTINGS, Execution(engine="processes"))
    with pytest.raises(ValueError, match="names one run, but many"):
        several_seeds(SETTINGS, (0,), Execution(resume="0a1b2c"))
    with pytest.raises(ValueError, match="unknown variant 'no_positon'"):
        several_variants(SETTINGS, "no_positon", (0,), Execution())
    with pytest.raises(ValueError, match="cuda"):
        one_model(replace(SETTINGS, device="cuda:7"), Execution())
    assert list(new_folder.iterdir()) == []
