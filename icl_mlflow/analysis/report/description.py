"""The description of the episodes of an analysis, for readers of its report."""

from collections.abc import Collection

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.tasks.base import parameters
from icl_mlflow.tasks.wrappers.wrapping import UNWRAPPED


def costly_text(questions: Collection[str], n_episodes: int) -> str:
    """The questions that are asked about the first episodes only, in a sentence."""
    found = [
        f"{analysis.question} ({analysis.episodes_of(n_episodes):,})"
        for analysis in ANALYSES.working().values()
        if analysis.question in questions
        and analysis.episodes_of(n_episodes) < n_episodes
    ]
    return f"Of fewer episodes, for their cost: {' '.join(found)}" if found else ""


def episodes_text(subject: Subject) -> str:
    """The episodes that a model was shown: how many, of what, drawn from where."""
    trained = {**UNWRAPPED, **parameters(subject.problem.task)}
    asked = parameters(subject.task)
    shown = ", ".join(f"{k} = {v:g}" for k, v in asked.items())
    shifted = [
        f"{name} was {trained[name]:g} in training"
        for name, value in {**UNWRAPPED, **asked}.items()
        if value != trained[name]
    ]
    changed = subject.problem.variant.on_eval
    text = (
        f"{len(subject.truth):,} episodes of task {subject.settings.task} "
        f"({'; '.join([shown, *shifted])}), each with {subject.problem.n_context} "
        f"labelled points and a query, drawn with seed {subject.seed} from the stream "
        f"“{STREAM}”, which training never sees."
    )
    if not changed.changes:
        return text
    variant = subject.settings.variant
    return f"{text} To models of {variant} they are shown with {changed.does}."
