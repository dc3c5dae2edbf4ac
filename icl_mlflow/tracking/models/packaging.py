"""Package a model: the folder that MLflow is to store, and what is known of it."""

from pathlib import Path

from mlflow.models import Model

from icl_mlflow.models import InContextModel
from icl_mlflow.tracking import pyfunc
from icl_mlflow.tracking.models.format import write_package
from icl_mlflow.tracking.models.versions import STANDARD
from icl_mlflow.training.settings import TrainSettings


def registered_name(settings: TrainSettings) -> str:
    """``icl-A-baseline``: the registered model of a task and variant, with its prefix.

    MLflow takes every character but ``/`` and ``:`` in a name, so the names of tasks
    and variants, such as ``no_position+noisy_labels_0.2``, stay as they are.
    """
    return f"{settings.model_prefix or ''}icl-{settings.task}-{settings.variant}"


def packaged(
    folder: Path,
    run_id: str,
    model: InContextModel,
    settings: TrainSettings,
) -> tuple[Path, dict[str, str]]:
    """Write the model that MLflow is to store; its folder, and what is known of it.

    Only its id and its place are missing, which MLflow gives when it is registered.

    Args:
        folder: to write into.
        run_id: of the run that trained it.
        model: the weights to keep.
        settings: of the run.
    """
    package = folder / pyfunc.PACKAGE_NAME
    facts = {
        "task": settings.task,
        "variant": settings.variant,
        "seed": str(settings.seed),
        "settings_hash": settings.identity,
        "problem": _problem(settings),
        "sha256": write_package(package, model, settings),
    }
    target = folder / "mlflow-model"
    pyfunc.save(target, package, model, Model(run_id=run_id))
    return target, facts


def _problem(settings: TrainSettings) -> str:
    """What is posed differently from the default problem: ``dim=4 n_context=8``."""
    ours, standard = (
        {"dim": s.dim, "n_context": s.n_context, **s.task_parameters}
        for s in (settings, TrainSettings(task=settings.task))
    )
    changes = [f"{k}={ours[k]}" for k in ours if ours[k] != standard.get(k)]
    return " ".join(changes) or STANDARD
