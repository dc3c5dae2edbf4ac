"""Label noise: some of the context's labels are flipped.

Each context label is flipped with probability p before the model sees it. The exact
Bayes predictor that knows p weighs the labels by it; the one of the training prior, in
which labels do not lie, trusts them. At p = 1/2 labels tell nothing. On task A the
reference is integrated by Monte Carlo, which adds its own error to every risk: it is
estimated from two draws and told.
"""

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import curves
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import as_shown, episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import excess_risk, predict
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task, knows_corrupted_labels
from icl_mlflow.tasks.labels import known_when_flipped
from icl_mlflow.variants.compose import reads_labels
from icl_mlflow.variants.context import flip_labels

#: Episodes at each rate: the exact answer sums over all labellings, which takes time.
_MOST = 200
_RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_X, _FLIPPED = "flip_rate", "share of context labels flipped"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per rate and predictor; the columns of `curves.point`."""
    truth = episodes_for(subject, subject.task, most=_MOST)
    rows = []
    for rate in _RATES:
        noisy = _flipped(truth.episodes, rate, subject.seed)
        bayes_B, error = knowing_bayes(subject.task, noisy, rate, subject.seed)
        answers = {
            curves.MODEL: predict(subject.predictor, as_shown(subject, noisy)),
            curves.BAYES: bayes_B,
            curves.TRAINED_BAYES: subject.problem.task.bayes_logit(noisy),
        }
        where = {_X: rate, "reference_error": error}
        rows += curves.point(where, answers, bayes_B)
    return pd.DataFrame(rows)


def knowing_bayes(
    task: Task, noisy: Episodes, rate: float, seed: int
) -> tuple[Tensor, float]:
    """Exact log-odds of y_q = 1 when labels lie at a known rate, and their own error.

    (B,) float64, nats. Where the task integrates by chance they are the mean of two
    independent draws. Half of their difference is as large as the error of the mean, so
    what lies between one draw and the mean estimates what chance adds to every risk.
    """
    if rate == 0:
        return task.bayes_logit(noisy), 0.0
    known = known_when_flipped(noisy, rate)
    names = (f"{STREAM} of noisy labels", f"{STREAM} of noisy labels again")
    one_B, other_B = (
        task.corrupted_bayes_logit(noisy, known, generator(seed, name))
        for name in names
    )
    mean_B = (one_B + other_B) / 2
    return mean_B, float(excess_risk(one_B, mean_B).mean())


def _flipped(episodes: Episodes, rate: float, seed: int) -> Episodes:
    """With the same random numbers at every rate: more labels lie, none less."""
    if rate == 0:
        return episodes
    return flip_labels(rate)(episodes, generator(seed, f"{STREAM} label noise"))


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers of `curves.summarise_curve`, and the reference's own error, nats."""
    error = float(frame["reference_error"].max())
    return curves.summarise_curve(frame, _X) | {"reference_error": error}


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk against the rate of lying labels."""
    return curves.draw_curves(frame, _X, _label(frame), "linear")


def _label(frame: pd.DataFrame) -> str:
    error = float(frame["reference_error"].max())
    off = f"\n(the reference itself is off by up to {error:.4f} nats)" if error else ""
    return f"{_FLIPPED}{off}"


def _beside(frame: pd.DataFrame) -> Figure:
    return curves.draw_beside(frame, _X, _FLIPPED, "linear")


def _verdict(found: Findings) -> Conclusion:
    trusting = found["training_prior_excess_risk_at_0.2"]
    return Conclusion(
        found.below("excess_risk_at_0.2", trusting),
        f"where one label in five lies, the model is "
        f"{found.phrase('excess_risk_at_0.2', 'nats')} above Bayes that knows it, and "
        f"Bayes that trusts every label {trusting:.4f}; over all rates, the model goes "
        f"{curves.extremes(found.numbers)}; by itself the reference is off by up to "
        f"{found['reference_error']:.4f} nats",
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
    topic=Topic.RIGHT,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="excess_risk_at_0.2",
    beside=_beside,
    refuses=_refuses,
    most_episodes=_MOST,
)
