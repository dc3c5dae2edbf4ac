"""A candidate in the place of the model is named, with noise too; a stranger is not."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Generator, Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.identification import (
    IDENTIFICATION,
    distance,
    identified,
)
from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.tasks.base import Task
from tests.analysis.concluded import concluded

StandInOf = Callable[..., Subject]
CANDIDATES = [name for name in ESTIMATORS if name != "oracle"]
SIZES = {"dim": 16, "n_context": 32}


def answering(name: str, noise: float) -> Callable[[Task, Episodes], Tensor]:
    """A candidate, with normal noise on its log-odds."""
    base = ESTIMATORS[name]
    one = base if base.is_calibrated else Calibrated(base)

    def answer(task: Task, episodes: Episodes) -> Tensor:
        rng = Generator().manual_seed(len(episodes))
        logit_B = estimate(one, task, episodes).double()
        return logit_B + noise * torch.randn(len(logit_B), generator=rng).double()

    return answer


def named(name: str, noise: float, stand_in_of: StandInOf, **sizes: int) -> str | None:
    subject = stand_in_of(answering(name, noise), **{**SIZES, **sizes})
    found, _ = identified(IDENTIFICATION.measure(subject))
    return found


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("name", ["bayes", "plug_in", "lda", "ridge"])
def test_a_candidate_is_named(name: str, noise: float, stand_in_of: StandInOf) -> None:
    assert named(name, noise, stand_in_of, episodes=1_000) == name


def answer_alike(subject: Subject, one: str, other: str) -> bool:
    """Of task B all linear estimators make the same: nothing."""
    if "" in (one, other):
        return one == other
    seen, task = subject.truth.seen, subject.problem.task
    answers = [answering(name, 0.0)(task, seen) for name in (one, other)]
    return float(distance(*answers).mean()) < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("task", ["A", "B"])
def test_nineteen_of_twenty_courts_are_right(task: str, stand_in_of: StandInOf) -> None:
    right, asked = 0, 0
    for name in CANDIDATES:
        for noise in (0.0, 0.3):
            subject = stand_in_of(
                answering(name, noise), task=task, episodes=5_000, **SIZES
            )
            found, _ = identified(IDENTIFICATION.measure(subject))
            is_right = found is not None and answer_alike(subject, found, name)
            right, asked = right + is_right, asked + 1
    assert right >= 0.95 * asked, f"{right} of {asked}"


def test_a_stranger_is_none_of_them(stand_in_of: StandInOf) -> None:
    def first_label(_: Task, episodes: Episodes) -> Tensor:
        return 4.0 * episodes.context_y_BN[:, 0].double() - 2

    subject = stand_in_of(first_label, episodes=500, **SIZES)
    frame = IDENTIFICATION.measure(subject)
    assert identified(frame)[0] == ""
    assert concluded(IDENTIFICATION, frame).startswith("No: the nearest of")


def court(p_split: float, p_other: float, near: float = 0.01) -> pd.DataFrame:
    """Bayes is nearest; how surely it is told from its rival, and from a third."""
    rows = [
        ("32 points", "bayes", near, math.nan),
        ("32 points", "plug_in", 1.1 * near, 0.3),
        ("32 points", "lda", 2 * near, p_other),
        ("where the two nearest differ most", "bayes", near, math.nan),
        ("where the two nearest differ most", "plug_in", 3 * near, p_split),
    ]
    frame = pd.DataFrame(rows, columns=["episodes", "candidate", "distance", "p"])
    low, high = 0.9 * frame["distance"], 1.1 * frame["distance"]
    return frame.assign(distance_low=low, distance_high=high, nearest=frame["p"].isna())


def test_every_seed_of_a_suite_is_drawn_on_the_line_of_its_candidate() -> None:
    near = {"A-x-seed0": 0.01, "A-x-seed1": 0.02, "A-y-seed0": 0.03}
    frame = pd.concat(court(0.01, 0.01, d).assign(model=m) for m, d in near.items())
    assert IDENTIFICATION.beside is not None
    x, y = IDENTIFICATION.beside(frame).axes
    assert [text.get_text() for text in x.get_yticklabels()] == [
        *("bayes", "plug_in", "lda"),
    ]
    drawn = {
        name: [
            sorted(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"
        ]
        for name, axes in (("x", x), ("y", y))
    }
    assert drawn == {
        "x": [pytest.approx([0.01, 0.011, 0.02, 0.02, 0.022, 0.04])],
        "y": [pytest.approx([0.03, 0.033, 0.06])],
    }


@pytest.mark.parametrize(
    ("frame", "found", "said"),
    [
        (court(0.01, 0.01), "bayes", "Yes: the nearest of 3 candidates is bayes"),
        (court(0.2, 0.01), None, "Cannot be told: the nearest of 3 candidates is"),
        (court(0.01, 0.2), None, "Cannot be told: the nearest of 3 candidates is"),
        (court(0.01, 0.01, near=0.2), "", "No: the nearest of 3 candidates is bayes"),
        (court(0.01, 0.01, near=0.05), None, "Cannot be told: the nearest of 3"),
    ],
)
def test_a_name_needs_to_be_sure_of_every_rival_and_near(
    frame: pd.DataFrame, found: str | None, said: str
) -> None:
    assert identified(frame) == (found, "bayes")
    assert concluded(IDENTIFICATION, frame).startswith(said)


def test_the_distance_is_symmetric_and_grows() -> None:
    a, b = torch.linspace(-3, 3, 7).double(), torch.zeros(7).double()
    assert torch.equal(distance(a, b), distance(b, a))
    p = a.sigmoid()
    expected = (p - 0.5) * torch.log(p / (1 - p))
    torch.testing.assert_close(distance(a, b), expected)
    assert float(distance(b, b).max()) == 0
