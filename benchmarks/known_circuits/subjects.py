"""Circuits as subjects of analyses."""

from dataclasses import replace

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.circuit import compiled
from icl_mlflow.evaluation import evaluation_set
from icl_mlflow.training.results import TrainedModel


def subject(name: str, episodes: int) -> Subject:
    """The model of a circuit, asked about so many episodes of its task."""
    circuit = CIRCUITS[name]
    model = TrainedModel(
        name=f"compiled-{name}", model=compiled(circuit), settings=circuit.settings
    )
    asked = EvaluationRequest(episodes=episodes, seed=0, shifts={}, device="cpu")
    return subjects([model], asked)[0]


def balanced(subject: Subject) -> Subject:
    """The same, asked about as many contexts with as many points of each class."""
    n_context, n_episodes = subject.problem.n_context, len(subject.truth)
    # A seventh of contexts of 32 points is: the others are left out.
    drawn = subject.task.sample(
        15 * n_episodes, n_context, seed=subject.seed, stream="balanced"
    )
    is_balanced = 2 * drawn.context_y_BN.sum(1) == n_context
    chosen = drawn.chosen(is_balanced.nonzero()[:n_episodes, 0])
    return replace(subject, truth=evaluation_set(subject.task, chosen))
