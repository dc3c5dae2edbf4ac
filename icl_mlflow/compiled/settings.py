"""The settings of a compilation: which circuit, and where its model goes."""

from dataclasses import dataclass

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.settings import MODEL_PREFIX, check, required, setting


@dataclass(frozen=True, kw_only=True)
class CompileSettings:
    """One model made by hand.

    Raises:
        ValueError: no circuit of that name, or a value out of range.
    """

    circuit: str = required("Its name; --list shows them.", choices=lambda: CIRCUITS)
    model_prefix: str | None = setting(
        None,
        "What the registered model's name begins with, on a server that others share.",
        pattern=MODEL_PREFIX,
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )

    def __post_init__(self) -> None:
        check(self)
