"""Episodes as trainings draw them, with their exact answers and how they were drawn."""

from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.scoring.columns import Note
from icl_mlflow.scoring.settings import EpisodesSettings
from icl_mlflow.training.datasets import episodes_profile, profile_digest
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.version import VERSION


def drawn(settings: EpisodesSettings) -> tuple[EvaluationSet, Note]:
    """The episodes of settings, and the note that goes with them.

    Raises:
        ValueError: settings that contradict each other.
    """
    chosen = problem(TrainSettings(**settings.training))
    episodes = chosen.task.sample(
        settings.n, chosen.n_context, seed=settings.seed, stream=settings.stream
    )
    profile = episodes_profile(
        settings.task,
        chosen.task,
        n_context=chosen.n_context,
        shown=chosen.variant.on_eval.does,
        episodes=settings.n,
        seed=settings.seed,
        stream=settings.stream,
    )
    note = profile | {"digest": profile_digest(profile), "icl-mlflow": VERSION}
    return evaluation_set(chosen.task, episodes), note
