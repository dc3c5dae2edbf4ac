"""Performance by context length: what each further point brings.

The same episodes, seen with their first n points only, from none to as many as the
position table has room for; beside it the exact Bayes predictor of the same n. Unless a
model was trained on contexts of several lengths (``n_context_min``), at others than its
own the query stands at a position, and the attention among a number of tokens, that
training never showed.
"""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import as_shown, episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.evaluation import predict

_MOST = 2_000
_X = "n_context"


def lengths(n_trained: int, n_most: int) -> list[int]:
    """Powers of 2, three quarters of the way and the ends, in order.

    >>> lengths(32, 64)
    [0, 1, 2, 4, 8, 16, 24, 32, 48, 64]
    """
    powers = {2**k for k in range(n_most.bit_length()) if 2**k <= n_most}
    between = {3 * n_trained // 4, 3 * n_most // 4}
    return sorted({0, *powers, *between, n_trained, n_most})


def measure(subject: Subject) -> pd.DataFrame:
    """One row per length and predictor; the columns of `curves.point`."""
    task, n_trained = subject.task, subject.problem.n_context
    model = subject.model or subject.transformer
    n_most = n_trained if model is None else max(n_trained, model.n_context)
    episodes = episodes_for(subject, task, most=_MOST, n_context=n_most).episodes
    rows = []
    for n_context in lengths(n_trained, n_most):
        first = episodes.first(n_context)
        bayes_B = task.bayes_logit(first)
        answers = {
            curves.MODEL: predict(subject.predictor, as_shown(subject, first)),
            curves.BAYES: bayes_B,
        }
        if task != subject.problem.task:
            answers[curves.TRAINED_BAYES] = subject.problem.task.bayes_logit(first)
        where = {_X: n_context, "n_trained": n_trained}
        rows += curves.point(where, answers, bayes_B)
        rows.append(curves.known_accuracy(where, task.oracle().accuracy))
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy and excess risk (nats) at every length, and at the trained one."""
    numbers = curves.summarise_curve(frame, _X)
    n_trained = frame["n_trained"].iloc[0]
    trained = f"excess_risk_at_{n_trained}"
    return numbers | {
        f"trained_excess_risk{end}": numbers[f"{trained}{end}"]
        for end in ("", "/low", "/high")
    }


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk against the context length."""
    drawn_figure = curves.draw_curves(frame, _X, "context points n", "symlog")
    for axes in drawn_figure.axes:
        curves.mark(axes, frame["n_trained"].unique().tolist(), "trained here")
    return drawn_figure


def _beside(frame: pd.DataFrame) -> Figure:
    return curves.draw_beside(frame, _X, "context points n", "symlog")


def _verdict(found: Findings) -> Conclusion:
    names = [name for name in found.numbers if name.startswith("excess_risk_at_")]
    near = all_of(*(found.below(name, SMALLEST_OF_INTEREST) for name in names))
    return Conclusion(
        near,
        f"within {SMALLEST_OF_INTEREST} nats of exact Bayes at every length would be "
        f"yes; at the trained one it is {found.phrase('trained_excess_risk', 'nats')} "
        f"above, over all lengths {curves.extremes(found.numbers)} points",
    )


CONTEXT_LENGTH = Analysis(
    question="Does the model use every context point, and any number of them?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="trained_excess_risk",
    beside=_beside,
    most_episodes=_MOST,
)
