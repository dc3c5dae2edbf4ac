"""Can the model live with context labels some of which lie?

Each context label is flipped with probability p before the model sees it. The exact
Bayes predictor that knows p weighs the labels by it; the one of the training prior, in
which labels do not lie, trusts them. At p = 1/2 labels tell nothing.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import curves
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.fresh import drawn, shown
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import predict
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task, knows_corrupted_labels
from icl_mlflow.tasks.labels import known_when_flipped
from icl_mlflow.variants.compose import reads_labels
from icl_mlflow.variants.context import flip_labels

#: Episodes at each rate: the exact answer sums over all labellings, which takes time.
_MOST = 200
_RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_X = "flip_rate"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per rate and predictor; the columns of `curves.point`."""
    truth = drawn(subject, subject.task, most=_MOST)
    rows = []
    for rate in _RATES:
        noisy = _flipped(truth.episodes, rate, subject.seed)
        bayes_B = knowing_bayes(subject.task, noisy, rate, subject.seed)
        answers = {
            curves.MODEL: predict(subject.predictor, shown(subject, noisy)),
            curves.BAYES: bayes_B,
            curves.TRAINED_BAYES: subject.problem.task.bayes_logit(noisy),
        }
        rows += curves.point({_X: rate}, answers, bayes_B)
    return pd.DataFrame(rows)


def knowing_bayes(task: Task, noisy: Episodes, rate: float, seed: int) -> Tensor:
    """Exact log-odds of y_q = 1 when labels lie at a known rate: (B,) float64, nats."""
    if rate == 0:
        return task.bayes_logit(noisy)
    known = known_when_flipped(noisy, rate)
    rng = generator(seed, f"{STREAM} of noisy labels")
    return task.corrupted_bayes_logit(noisy, known, rng)


def _flipped(episodes: Episodes, rate: float, seed: int) -> Episodes:
    """With the same random numbers at every rate: more labels lie, none less."""
    if rate == 0:
        return episodes
    return flip_labels(rate)(episodes, generator(seed, f"{STREAM} label noise"))


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers of `curves.summarise_curve`."""
    return curves.summarise_curve(frame, _X)


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk against the rate of lying labels."""
    return curves.draw_curves(frame, _X, "share of context labels flipped", "linear")


def _verdict(numbers: Mapping[str, float]) -> str:
    return (
        f"As labels begin to lie, the model goes {curves.extremes(numbers)}; at "
        f"p = 0.2 it has accuracy {numbers['accuracy_at_0.2']:.3f}, where Bayes that "
        f"knows p has {numbers['bayes_accuracy_at_0.2']:.3f}."
    )


def _refuses(subject: Subject) -> str | None:
    embedding = subject.problem.architecture.embedding
    if not reads_labels(embedding):
        return (
            f"{subject.name} does not see labels ({embedding}), so none can mislead it"
        )
    if "labels" in subject.problem.variant.on_eval.changes:
        return f"{subject.name} is shown changed labels already"
    if not knows_corrupted_labels(subject.task):
        return f"the task of {subject.name} has no posterior given flipped labels"
    return None


LABEL_NOISE = Analysis(
    question="Can the model live with context labels some of which lie?",
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    refuses=_refuses,
    most_episodes=_MOST,
)
