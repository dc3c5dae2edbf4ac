"""Measure models: one after another, or in a process each where that pays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import safetensors.torch

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.answer import Measurement
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.evaluation import guesses
from icl_mlflow.models import FAMILIES, Architecture
from icl_mlflow.suite.engines.process_pool import (
    Outcome,
    run_in_processes,
    usable_cores,
)
from icl_mlflow.tasks.chance import chance
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings

#: Episodes x tokens x parameters above which an analysis takes longer than the start of
#: a process, which has to import everything again.
_WORTH_A_PROCESS = 5e9

#: Analysis name to what a model answered.
Answered = dict[str, Measurement]


class MeasuringFailedError(RuntimeError):
    """Some models could not be measured; the message has a clause for each."""


@dataclass(frozen=True)
class _Piece:
    """What a worker process needs to measure one model."""

    name: str
    settings: TrainSettings
    architecture: Architecture
    weights: bytes
    asked: EvaluationRequest
    analyses: tuple[str, ...]


def measure_all(
    asked_subjects: Sequence[Subject],
    asked: EvaluationRequest,
    analyses: Mapping[str, tuple[str, ...]],
    *,
    jobs: int = 0,
    on_analysis: Callable[[], None] = lambda: None,
) -> list[Answered]:
    """Measure every analysis of every model, in order.

    Args:
        asked_subjects: the models.
        asked: what `asked_subjects` were made with.
        analyses: the name of a model to those of its analyses.
        jobs: models measured at once; 0 for one per core where it pays.
        on_analysis: called after every analysis of every model.

    Raises:
        MeasuringFailedError: an analysis failed, or its process was killed.
    """
    n_processes = min(jobs or _processes_that_pay(asked_subjects), len(asked_subjects))
    if n_processes <= 1:
        with compute_threads(0):
            return [
                measure(subject, analyses[subject.name], on_analysis)
                for subject in asked_subjects
            ]
    outcomes = run_in_processes(
        [_piece(one, asked, analyses[one.name]) for one in asked_subjects],
        _measure_piece,
        n_processes=n_processes,
        on_message=lambda _index, _message: on_analysis(),
    )
    return _values(asked_subjects, outcomes)


def measure(
    subject: Subject, names: Sequence[str], on_analysis: Callable[[], None]
) -> Answered:
    """Measure some analyses of one model."""
    answered: Answered = {}
    for name in names:
        analysis = ANALYSES[name]
        frame = analysis.measure(subject)
        answered[name] = Measurement(
            model=subject.name,
            group=subject.settings.variant,
            frame=frame,
            numbers=analysis.summarise(frame),
            episodes=analysis.episodes_of(len(subject.truth)),
            guesses=guesses(subject.logit_B, subject.truth, chance(subject.task).loss),
        )
        on_analysis()
    return answered


def _processes_that_pay(asked_subjects: Sequence[Subject]) -> int:
    """One a core for long measurements on the CPU, otherwise this one alone."""
    first = asked_subjects[0]
    model = first.model
    assert model is not None
    parameters = list(model.parameters())
    n_parameters = sum(parameter.numel() for parameter in parameters)
    n_tokens = first.problem.architecture.positions
    is_long = len(first.truth) * n_tokens * n_parameters >= _WORTH_A_PROCESS
    on_cpu = parameters[0].device.type == "cpu"
    return usable_cores() if is_long and on_cpu else 1


def _piece(
    subject: Subject, asked: EvaluationRequest, names: tuple[str, ...]
) -> _Piece:
    model = subject.model
    assert model is not None
    state = {k: v.cpu().contiguous() for k, v in model.state_dict().items()}
    return _Piece(
        name=subject.name,
        settings=subject.settings,
        architecture=model.architecture,
        weights=safetensors.torch.save(state),
        asked=asked,
        analyses=names,
    )


def _measure_piece(piece: _Piece, send: Callable[[None], None]) -> Answered:
    """Measure one model in a worker process, on one thread."""
    model = FAMILIES[piece.architecture.family](piece.architecture)
    model.load_state_dict(safetensors.torch.load(piece.weights))
    trained_model = TrainedModel(
        name=piece.name, model=model.eval(), settings=piece.settings
    )
    with compute_threads(1):
        (subject,) = subjects([trained_model], piece.asked)
        return measure(subject, piece.analyses, lambda: send(None))


def _values(
    asked_subjects: Sequence[Subject], outcomes: Sequence[Outcome[Answered]]
) -> list[Answered]:
    failures = [
        f"{subject.name}: {outcome.error}"
        for subject, outcome in zip(asked_subjects, outcomes, strict=True)
        if outcome.error
    ]
    if failures:
        raise MeasuringFailedError("; ".join(failures))
    return [outcome.value for outcome in outcomes if outcome.value is not None]
