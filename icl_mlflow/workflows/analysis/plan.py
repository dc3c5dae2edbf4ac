"""The dry run of `analyze`: the models, the questions and where answers would go."""

from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.workflows.analyze import Questions, questions


@quiet_mlflow()
def plan_analysis(settings: AnalyzeSettings) -> str:
    """The models, the questions put to each, those that cannot be put, and why.

    Creates nothing, and reads what this user may only read.

    Raises:
        ValueError, StoreError: as for `analyze`.
    """
    found = questions(settings)
    asked = settings.request
    experiment = settings.experiment or found.pulled.experiment
    return "\n".join(
        [
            *_models(found),
            *_not_asked(found),
            *_left_out(settings),
            f"episodes     {asked.episodes:,} of each model, seed {asked.seed}"
            + "".join(f", {name} {value:g}" for name, value in asked.shifts.items()),
            f"results      in experiment {experiment}",
            "dry run: nothing was asked, no run was created",
        ]
    )


def _models(found: Questions) -> list[str]:
    """Models that are asked the same in one line."""
    by_questions: dict[tuple[str, ...], list[str]] = {}
    for name, analyses in found.analyses.items():
        by_questions.setdefault(analyses, []).append(name)
    lines = []
    for analyses, names in by_questions.items():
        lines.append(f"models       {', '.join(names)}")
        lines.append(f"asked        {', '.join(analyses) or 'nothing'}")
    return lines


def _left_out(settings: AnalyzeSettings) -> list[str]:
    """Analyses that wait to be named."""
    names = ", ".join(settings.left_out)
    return [f"by name only {names}"] if names else []


def _not_asked(found: Questions) -> list[str]:
    return [
        f"not asked    {refusal.analysis} of {refusal.model}: {refusal.reason}"
        for refusal in found.refusals
    ]
