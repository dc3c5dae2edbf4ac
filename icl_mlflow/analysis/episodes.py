"""Episodes for a subject beyond its own, from the same stream of random numbers.

They share every random number with the subject's own where the task, the context length
and the count are the same; so points of a sweep differ by what is swept alone.
"""

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task


def episodes_for(
    subject: Subject, task: Task, *, most: int, n_context: int | None = None
) -> EvaluationSet:
    """Episodes of ``task``, as drawn and as the subject's variant shows them.

    Args:
        subject: who is asked.
        task: where the episodes come from.
        most: episodes, unless the subject has fewer of its own.
        n_context: context points of each; as in training if not given.
    """
    episodes = task.sample(
        min(most, len(subject.truth)),
        subject.problem.n_context if n_context is None else n_context,
        seed=subject.seed,
        stream=STREAM,
    )
    return evaluation_set(task, episodes, as_shown(subject, episodes))


def as_shown(subject: Subject, episodes: Episodes) -> Episodes:
    """Episodes as the subject's variant shows them at evaluation, where it computes."""
    rng = generator(subject.seed, f"{STREAM} intervention")
    device = subject.truth.seen.query_x_BD.device
    return subject.problem.variant.on_eval(episodes, rng).to(device)
