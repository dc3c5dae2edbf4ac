"""Keywords of the Python API, sorted into settings, execution and source."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from icl_mlflow.suite.execution import Execution
from icl_mlflow.tracking.runs.query import Reference, reference_of
from icl_mlflow.training.settings import TrainSettings


def settings_of(
    settings: TrainSettings | None, preset: str | None, given: Mapping[str, Any]
) -> TrainSettings:
    """The settings, or those of a preset, with what is given on top.

    Raises:
        ValueError: settings and a preset, or what `TrainSettings` refuses.

    >>> settings_of(None, "smoke", {"tau": 9}).task_parameters["tau"]
    9.0
    """
    if settings is None:
        return TrainSettings.preset(preset or "paper", **given)
    if preset is not None:
        raise ValueError("give settings or a preset, not both")
    return replace(settings, **given)


def execution_of(
    execution: Execution | None, given: Mapping[str, Any]
) -> tuple[Execution, dict[str, Any]]:
    """The execution with what is given of it on top, and all else that is given.

    Raises:
        ValueError: what `Execution` refuses.

    >>> execution_of(None, {"jobs": 2, "seed": 1})[1]
    {'seed': 1}
    """
    names = {field.name for field in fields(Execution)}
    own = {name: value for name, value in given.items() if name in names}
    others = {name: value for name, value in given.items() if name not in names}
    return replace(execution or Execution(), **own), others


def source_of(run: Reference | None) -> dict[str, Any]:
    """The setting of an analysis that says which models; none if it is given by name.

    >>> source_of("models:/icl-A-baseline@best")
    {'model': 'models:/icl-A-baseline@best'}
    """
    if run is None:
        return {}
    reference = reference_of(run)
    return {"model" if reference.startswith("models:/") else "run_id": reference}
