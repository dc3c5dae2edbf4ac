"""The origin of the models that an analysis is about: what they are, and whence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.commands import commands
from icl_mlflow.analysis.report.page import Command, Source
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.escaping import markdown_code, markdown_link
from icl_mlflow.tracking.models.sources import ReferencedModels
from icl_mlflow.tracking.store.connection import Store


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Models that are asked, and where they come from.

    Attributes:
        run_name: of the run that holds the answers.
        title: of the report.
        description: what the run is, Markdown.
        models: one row a model.
        tags: of the run.
        commands: that repeat it.
        source: the run that the models were trained in, if there is one.
    """

    run_name: str
    title: str
    description: str
    models: pd.DataFrame
    tags: Mapping[str, object]
    commands: Sequence[Command]
    source: Source | None = None


def origin_of(
    store: Store,
    settings: AnalyzeSettings,
    pulled: ReferencedModels,
    asked_subjects: Sequence[Subject],
) -> Origin:
    """The origin of models of this package."""
    shifts = "".join(f"-{k}{v:g}" for k, v in settings.request.shifts.items())
    shown = title(pulled.run_name, asked_subjects)
    if settings.checkpoints:
        shown = f"{pulled.run_name}, {len(asked_subjects)} checkpoints"
    link = source_link(store, pulled)
    return Origin(
        run_name=f"{pulled.run_name}-analysis{shifts}",
        title=shown,
        description=(
            f"Analysis of {markdown_link(pulled.run_name, link)}, "
            f"run {markdown_code(pulled.run_id)}."
        ),
        models=models_table(pulled),
        tags={
            "source_run_id": pulled.run_id,
            "source_run_ids": ",".join(m.stored.run_id for m in pulled.models),
            "source_models": ",".join(m.stored.reference for m in pulled.models),
            "task": _all_of(s.settings.task for s in asked_subjects),
            "variant": _all_of(s.settings.variant for s in asked_subjects),
        },
        commands=commands(settings),
        source=Source(what="trained in run", identity=pulled.run_id, link=link),
    )


def models_table(pulled: ReferencedModels) -> pd.DataFrame:
    """One row a model: what it is called, where it came from, and its hash."""
    return pd.DataFrame(
        [
            {
                "model": model.trained_model.name,
                "variant": model.trained_model.settings.variant,
                "seed": model.trained_model.settings.seed,
                "registered as": model.stored.reference,
                "trained in run": model.stored.run_id,
                "SHA-256": model.sha256[:12],
            }
            for model in pulled.models
        ]
    )


def title(run_name: str, asked_subjects: Sequence[Subject]) -> str:
    """``A-baseline-seed0``, or ``A-baseline, 3 seeds``, or what a suite is called."""
    n_models = len(asked_subjects)
    if n_models == 1:
        return asked_subjects[0].name
    kinds = {(one.settings.task, one.settings.variant) for one in asked_subjects}
    if len(kinds) > 1:
        return f"{run_name}, {n_models} models"
    ((task, variant),) = kinds
    return f"{task}-{variant}, {n_models} seeds"


def source_link(store: Store, pulled: ReferencedModels) -> str:
    """The source run's page, which may be in another experiment."""
    there = replace(store, experiment_id=pulled.experiment_id)
    return there.run_link(pulled.run_id)


def _all_of(values: Iterator[str]) -> str:
    return ",".join(dict.fromkeys(values))
