"""The answers of checkpoints: the course of training instead of seeds of one end."""

from collections import Counter
from collections.abc import Mapping, Sequence

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.course import Stage, courses, series
from icl_mlflow.tracking.models.sources import ReferencedModels
from icl_mlflow.workflows.analysis.measure import Answered

#: Metrics of one step.
_Step = tuple[int, Mapping[str, float]]


def courses_of(
    names: Sequence[str], pulled: ReferencedModels, answered: Sequence[Answered]
) -> tuple[list[Answer], list[_Step]]:
    """The answers of the last checkpoints with their courses, and metrics by epoch.

    Args:
        names: of the analyses.
        pulled: the checkpoints.
        answered: what each of them answered.
    """
    found: list[Answer] = []
    by_epoch: dict[int, dict[str, float]] = {}
    runs = _run_names(pulled)
    for name in names:
        stages = [
            Stage(
                run=runs[model.stored.run_id],
                epoch=model.stored.epoch or 0,
                measured=each[name],
            )
            for model, each in zip(pulled.models, answered, strict=True)
            if name in each
        ]
        if stages:
            found += courses(name, ANALYSES[name], stages)
            headline = ANALYSES[name].headline
            is_known = headline in stages[0].measured.numbers
            for epoch, metrics in series(name, stages, headline if is_known else ""):
                by_epoch.setdefault(epoch, {}).update(metrics)
    return found, sorted(by_epoch.items())


def _run_names(pulled: ReferencedModels) -> dict[str, str]:
    """Run id to its name, with the id where another run is called the same."""
    names = {
        model.stored.run_id: model.trained_model.settings.run_name
        for model in pulled.models
    }
    alike = Counter(names.values())
    return {
        run_id: name if alike[name] == 1 else f"{name} ({run_id[:8]})"
        for run_id, name in names.items()
    }
