"""Symmetry costs are exact, never negative, and 0 for who has the symmetry."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Generator, Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.symmetry import (
    SYMMETRY,
    centred,
    permuted,
    reflected,
    rotated,
)
from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]
StandInOf = Callable[..., Subject]
ORBITS = ("label flip", "permutation", "rotation", "reflection")


def rng() -> Generator:
    return Generator().manual_seed(0)


@pytest.mark.parametrize("task", ["A", "B"])
def test_bayes_has_every_symmetry(task: str, stand_in_of: StandInOf) -> None:
    bayes = stand_in_of(lambda task, e: task.bayes_logit(e), task=task, episodes=100)
    frame = SYMMETRY.measure(bayes)
    here = frame[frame["place"] == "as trained"].set_index("repair")
    assert list(here.index) == [*ORBITS, "centring"]
    for orbit in ORBITS:
        assert here.loc[orbit, "cost"] == pytest.approx(0, abs=1e-5)
    assert concluded(SYMMETRY, frame).startswith("Yes: as trained, averaging")


@pytest.mark.parametrize(
    ("variant", "seed"), [("baseline", 0), ("baseline", 1), ("interleaved", 0)]
)
@pytest.mark.parametrize("task", ["A", "B"])
def test_no_cost_is_negative(
    task: str, variant: str, seed: int, subject_of: SubjectOf
) -> None:
    subject = subject_of(task=task, variant=variant, seed=seed, episodes=60)
    frame = SYMMETRY.measure(subject)
    orbits = frame[frame["repair"] != "centring"]
    assert (orbits["cost"] >= -1e-9).all()
    saved = orbits["excess_risk_before"] - orbits["excess_risk_after"]
    pd.testing.assert_series_equal(saved, orbits["cost"], check_names=False)


def leaning(task: Task, episodes: Episodes) -> Tensor:
    """Bayes, and half a nat for class 1: only the flip of labels finds it out."""
    return task.bayes_logit(episodes) + 0.5


def test_a_bias_for_one_class_is_found_by_the_label_flip_alone(
    stand_in_of: StandInOf,
) -> None:
    frame = SYMMETRY.measure(stand_in_of(leaning, episodes=200))
    here = frame[frame["place"] == "as trained"].set_index("repair")
    # Averaged over the flip the bias is gone: all of the excess is its cost.
    flip = here.loc["label flip"]
    assert flip["cost"] == pytest.approx(flip["excess_risk_before"], rel=1e-6)
    assert flip["cost"] > 0.015
    for orbit in ORBITS[1:]:
        assert here.loc[orbit, "cost"] == pytest.approx(0, abs=1e-5)
    assert concluded(SYMMETRY, frame).startswith("No: ")


def last_point(task: Task, episodes: Episodes) -> Tensor:
    """Bayes, and more for the label that stands last."""
    return task.bayes_logit(episodes) + 2.0 * episodes.context_y_BN[:, -1] - 1


def test_who_heeds_the_order_pays_for_permutations(stand_in_of: StandInOf) -> None:
    frame = SYMMETRY.measure(stand_in_of(last_point, episodes=200))
    here = frame[frame["place"] == "as trained"].set_index("repair")
    assert here.loc["permutation", "cost"] > 0.02
    assert here.loc["label flip", "cost"] == pytest.approx(0, abs=1e-5)
    assert here.loc["rotation", "cost"] == pytest.approx(0, abs=1e-5)


def test_centring_repairs_who_is_lost_far_from_the_origin(
    stand_in_of: StandInOf,
) -> None:
    """It answers as Bayes near the origin, and guesses far from it."""

    def near_alone(task: Task, episodes: Episodes) -> Tensor:
        mean_BD = episodes.context_x_BND.mean(1)
        return task.bayes_logit(episodes) * (mean_BD.norm(dim=-1) < 2.0)

    frame = SYMMETRY.measure(stand_in_of(near_alone, episodes=200))
    far = frame[frame["place"] == "out_of_distribution"].set_index("repair")
    row = far.loc["centring"]
    assert row["accuracy_after"] > row["accuracy_before"] + 0.1
    assert "out of distribution, 0." in concluded(SYMMETRY, frame)


def test_orbits_are_what_they_are_called() -> None:
    episodes = TASKS["A"].sample(50, 7, stream="test")
    turned, mirrored = rotated(episodes, rng()), reflected(episodes, rng())
    for one in (turned, mirrored):
        norm_BN = one.context_x_BND.norm(dim=-1)
        torch.testing.assert_close(norm_BN, episodes.context_x_BND.norm(dim=-1))
    x_AD = episodes.context_x_BND.flatten(0, 1).double()
    for one, determinant in ((turned, 1.0), (mirrored, -1.0)):
        found = torch.linalg.lstsq(x_AD, one.context_x_BND.flatten(0, 1).double())
        assert float(torch.linalg.det(found.solution)) == pytest.approx(determinant)
    shuffled = permuted(episodes, rng())
    assert not torch.equal(shuffled.context_y_BN, episodes.context_y_BN)
    assert torch.equal(shuffled.context_y_BN.sum(1), episodes.context_y_BN.sum(1))
    middle = centred(episodes)
    zero = torch.zeros(50, 16)
    torch.testing.assert_close(
        middle.context_x_BND.mean(1), zero, rtol=0, atol=1e-5
    )  # fmt: skip
    gap = episodes.query_x_BD - episodes.context_x_BND[:, 0]
    torch.testing.assert_close(
        middle.query_x_BD - middle.context_x_BND[:, 0], gap, rtol=0, atol=1e-5
    )


def test_every_seed_and_place_of_a_suite_is_drawn() -> None:
    models, places = ("A-x-seed0", "A-x-seed1", "A-y-seed0"), ("as trained", "far")
    frame = pd.DataFrame(
        [
            {"model": model, "place": place, "repair": repair, "cost": cost + at}
            for cost, model in enumerate(models)
            for at, place in zip((0.1, 0.5), places, strict=True)
            for repair in ("label flip", "centring")
        ]
    )
    assert SYMMETRY.beside is not None
    figure = SYMMETRY.beside(frame)
    x, y = figure.axes
    drawn = {
        name: {
            line.get_label().partition(":")[0]: sorted(set(line.get_xdata()))
            for line in axes.lines
            if line.get_marker() == "o"
        }
        for name, axes in (("x", x), ("y", y))
    }
    assert drawn == {
        "x": {"as trained": [0.1, 1.1], "far": [0.5, 1.5]},
        "y": {"as trained": [2.1], "far": [2.5]},
    }
