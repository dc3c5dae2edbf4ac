"""A ceiling is what the best learner reaches: no rule passes it, Bayes touches it.

And an ideal learner of a training is what its exact posterior says elsewhere.
"""

import functools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.ceilings import (
    NO_LABELS,
    WHOLE,
    Ceiling,
    Ceilings,
    Reading,
    ceilings,
    readings,
)
from icl_mlflow.estimators.tuning import calibration_slope
from icl_mlflow.evaluation import accuracy, excess_risk, log_loss
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, knows_corrupted_labels, with_parameters
from icl_mlflow.tasks.labels import known_when_flipped, known_when_shuffled
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.variants import VARIANTS

SMALL = {"dim": 4}
N_CONTEXT = 10
SHUFFLED = Reading(known_when_shuffled, why="shuffled")


def noisy_labels(rate: float) -> Reading:
    known = functools.partial(known_when_flipped, flip_rate=rate)
    return Reading(known, why="noisy")


def shown(reading: Reading, task: Task, seen: Episodes) -> Ceiling:
    """The ceiling of episodes whose labels are shown, and taught, in one way."""
    return ceilings(task, seen, reading, reading).shown


def of_variant(name: str, task: Task, seen: Episodes) -> Ceilings:
    return ceilings(task, seen, *readings(VARIANTS[name]))


def shuffled(episodes: Episodes) -> Episodes:
    label_BN = episodes.context_y_BN
    order_BN = torch.rand(label_BN.shape, generator=generator(0, "order")).argsort(-1)
    return replace(episodes, context_y_BN=label_BN.gather(1, order_BN))


def flipped(episodes: Episodes, rate: float) -> Episodes:
    label_BN = episodes.context_y_BN
    wrong_BN = torch.rand(label_BN.shape, generator=generator(0, "flips")) < rate
    return replace(episodes, context_y_BN=label_BN ^ wrong_BN)


def risk(logit_B: Tensor, episodes: Episodes) -> tuple[float, float]:
    """Accuracy and log-loss."""
    label_B = episodes.query_y_B
    return accuracy(logit_B, label_B), log_loss(logit_B, label_B)


#: What a task need not have is asked of those that have it.
symmetric_tasks = pytest.mark.parametrize(
    "task_name", [name for name, task in TASKS.items() if "classes" in task.symmetries]
)
knowing_tasks = pytest.mark.parametrize(
    "task_name", [name for name, task in TASKS.items() if knows_corrupted_labels(task)]
)


@pytest.mark.parametrize("task_name", TASKS)
def test_clean_is_what_bayes_reaches(task_name: str) -> None:
    task = TASKS[task_name]
    episodes = task.sample(20_000, 32, stream="test")
    found = shown(WHOLE, task, episodes)
    right, loss = risk(task.bayes_logit(episodes), episodes)
    assert found.kind == "exact"
    assert found.accuracy == pytest.approx(right, abs=3 * 0.41 / math.sqrt(20_000))
    assert found.loss == pytest.approx(loss, abs=3 * 0.6 / math.sqrt(20_000))


def test_clean_does_not_depend_on_the_order_of_the_context() -> None:
    task = TASKS["A"]
    episodes = task.sample(50, 8)
    turned = replace(
        episodes,
        context_x_BND=episodes.context_x_BND.flip(1),
        context_y_BN=episodes.context_y_BN.flip(1),
    )
    one, other = (shown(WHOLE, task, seen) for seen in (episodes, turned))
    assert one.loss == pytest.approx(other.loss, abs=1e-12)


@symmetric_tasks
def test_without_labels_there_is_only_chance(task_name: str) -> None:
    task = TASKS[task_name]
    found = shown(NO_LABELS, task, task.sample(2, 4))
    assert (found.accuracy, found.loss) == (0.5, math.log(2))
    assert found.kind == "exact"


@knowing_tasks
@pytest.mark.parametrize("corruption", ["shuffled", "noisy"])
def test_no_rule_passes_a_ceiling_and_the_posterior_touches_it(
    task_name: str, corruption: str
) -> None:
    task = with_parameters(TASKS[task_name], SMALL)
    drawn = task.sample(1_000, N_CONTEXT, stream="test")
    rule, seen = {
        "shuffled": (SHUFFLED, shuffled(drawn)),
        "noisy": (noisy_labels(0.2), flipped(drawn, 0.2)),
    }[corruption]
    found = shown(rule, task, seen)
    best = shown(WHOLE, task, drawn)
    assert 0.5 < found.accuracy < best.accuracy
    assert best.loss < found.loss < math.log(2)
    error = 0.5 / math.sqrt(1_000)  # of an accuracy; of a log-loss it is less
    for name in ("plug_in", "lda", "qda"):
        score_B = estimate(ESTIMATORS[name], task, seen)
        score_B = calibration_slope(score_B, seen.query_y_B) * score_B
        right, loss = risk(score_B, seen)
        assert right < found.accuracy + 3 * error
        assert loss > found.loss - 3 * error


def test_shuffled_labels_leave_more_than_chance_and_equal_counts_nothing() -> None:
    task = with_parameters(TASKS["B"], SMALL)
    seen = shuffled(task.sample(400, N_CONTEXT, stream="test"))
    assert shown(SHUFFLED, task, seen).accuracy > 0.55
    is_even_B = seen.context_y_BN.sum(1) == N_CONTEXT // 2
    even = replace(
        seen,
        context_x_BND=seen.context_x_BND[is_even_B],
        context_y_BN=seen.context_y_BN[is_even_B],
        query_x_BD=seen.query_x_BD[is_even_B],
        query_y_B=seen.query_y_B[is_even_B],
    )
    found = shown(SHUFFLED, task, even)
    assert found.accuracy == pytest.approx(0.5, abs=1e-7)


def test_the_published_figures_of_task_a() -> None:
    drawn = TASKS["A"].sample(400, 32, stream="validation")
    # Standard deviations over episodes: .14 and .20 with flips, .05 when shuffled.
    noisy = shown(noisy_labels(0.2), TASKS["A"], flipped(drawn, 0.2))
    assert noisy.accuracy == pytest.approx(0.751, abs=3 * 0.14 / 20)
    assert noisy.loss == pytest.approx(0.504, abs=3 * 0.20 / 20)
    mixed = shown(SHUFFLED, TASKS["A"], shuffled(drawn))
    assert mixed.accuracy == pytest.approx(0.545, abs=3 * 0.05 / 20)


def test_an_impossible_flip_rate_is_refused() -> None:
    for rate in (0.0, 1.0):
        with pytest.raises(ValueError, match="flip_rate must be between 0 and 1"):
            noisy_labels(rate).logit(TASKS["A"], TASKS["A"].sample(2, 4))


def test_a_variant_has_the_ceiling_of_what_it_shows() -> None:
    task = TASKS["A"]
    seen = task.sample(50, 6)
    whole = shown(WHOLE, task, seen)
    for name in ("baseline", "no_position", "shuffled_context", "noisy_labels_0.2"):
        assert of_variant(name, task, seen).shown == whole
    assert of_variant("no_labels", task, seen).shown.accuracy == 0.5
    for name in ("shuffled_labels", "no_position+shuffled_labels"):
        found = of_variant(name, task, seen)
        assert found.shown.loss == shown(SHUFFLED, task, seen).loss
        assert found.shown.loss > whole.loss
        assert found.ideal.loss == found.shown.loss


@pytest.mark.parametrize(
    ("task_name", "rate", "published"),
    [("A", 0.1, 0.0059), ("B", 0.4, 0.0042)],
)
def test_an_ideal_learner_of_noisy_labels_pays_on_clean_ones(
    task_name: str, rate: float, published: float
) -> None:
    """In nats above exact Bayes, at the paper's size: figures from other episodes."""
    task = TASKS[task_name]
    seen = task.sample(200, 32, stream="test")
    found = of_variant(f"noisy_labels_{rate}", task, seen)
    assert torch.equal(found.shown_B, task.bayes_logit(seen))
    above_B = excess_risk(found.ideal_B, found.shown_B)
    error = float(above_B.std() / math.sqrt(len(seen)))
    assert float(above_B.mean()) == pytest.approx(published, abs=4 * error)
    assert found.ideal.loss - found.shown.loss == pytest.approx(float(above_B.mean()))


def test_training_on_pure_noise_or_on_lies_teaches_nothing() -> None:
    task = TASKS["A"]
    seen = task.sample(200, 6)
    noise = of_variant("noisy_labels_0.5", task, seen)
    assert (noise.ideal.accuracy, noise.ideal.loss) == pytest.approx((0.5, math.log(2)))
    assert noise.ideal.is_chance
    lies = of_variant("noisy_labels_1", task, seen)
    assert lies.ideal.accuracy < 0.4
    assert lies.ideal.is_chance
    assert "backwards" in lies.ideal.why
    assert not lies.shown.is_chance


class Silent(ShiftedMean):
    """Task A without the posterior given corrupted labels."""

    corrupted_bayes_logit = Task.corrupted_bayes_logit


def test_a_ceiling_that_the_task_does_not_know_is_unknown() -> None:
    task = Silent(dim=4)
    seen = task.sample(50, 6)
    hidden = of_variant("shuffled_labels", task, seen)
    assert (hidden.shown.kind, hidden.ideal.kind) == ("unknown", "unknown")
    assert hidden.shown_B is None
    assert not hidden.ideal.is_chance
    noisy = of_variant("noisy_labels_0.2", task, seen)
    assert (noisy.shown.kind, noisy.ideal.kind) == ("exact", "unknown")
    assert of_variant("no_labels", task, seen).ideal.kind == "exact"
