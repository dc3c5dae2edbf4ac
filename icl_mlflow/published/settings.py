"""The settings of an import of published files."""

from dataclasses import dataclass

from icl_mlflow.published.experiment import experiment
from icl_mlflow.settings import MODEL_PREFIX, check, required, setting


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """One import of published checkpoints and results.

    Raises:
        ValueError: a value out of range, or no published experiment of that name.
    """

    path: str = required("A file, a folder, or a pattern such as 'models/**/*.pt'.")
    n_context: int = setting(
        32, "Context points of the episodes that the models were trained on.", minimum=1
    )
    published_experiment: str | None = setting(
        None,
        "What the files belong to, such as task_A_regular (the name of their folder if "
        "not given).",
    )
    model_prefix: str | None = setting(
        None,
        "What the registered models' names begin with, on a server that others share.",
        pattern=MODEL_PREFIX,
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.published_experiment is not None:
            experiment(self.published_experiment)
