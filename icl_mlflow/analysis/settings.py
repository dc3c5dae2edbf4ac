"""Settings of an analysis and of a comparison: which models, which episodes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from icl_mlflow.analysis.selection import Selecting, analyses_setting
from icl_mlflow.settings import check, required, setting, task_parameters
from icl_mlflow.tasks.parameters import shifts_of, takes_task_parameters

#: Fewer episodes pin nothing down, and leave correlations without an interval.
_FEWEST, _MOST = 100, 100_000_000


def _devices() -> Collection[str]:
    return ("auto", "cpu", "cuda", "mps")


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class AnalyzeSettings(Selecting):
    """Questions put to the registered models of a run.

    Raises:
        ValueError: a value out of range, an unknown analysis, or not exactly one of
            ``run_id`` and ``model``.
    """

    run_id: str | None = setting(
        None, "Training run to analyze, or a parent run for all models below it."
    )
    model: str | None = setting(
        None, "Instead of run_id: models:/NAME/VERSION or models:/NAME@ALIAS."
    )
    checkpoints: bool = setting(
        default=False,
        text="Ask the weights after each epoch instead (keep_checkpoints=log), and "
        "draw every number against the epoch.",
    )
    analyses: str = analyses_setting()
    episodes: int = setting(
        5_000,
        "Episodes that every model is asked about; costly questions take the first.",
        minimum=_FEWEST,
        maximum=_MOST,
    )
    seed: int = setting(0, "Seed of the episodes and of every other draw.", minimum=0)
    parameters: Mapping[str, float] = task_parameters("as trained if not given")
    device: str = setting("auto", "Where to compute.", choices=_devices)
    jobs: int = setting(
        0,
        "Models measured at once; 0 for one per core where it pays.",
        minimum=0,
        maximum=1_024,
    )
    experiment: str | None = setting(
        None, "MLflow experiment of the results (the training run's if not given)."
    )

    def __post_init__(self) -> None:
        # MLproject can only declare an optional parameter by giving it a default.
        if not self.run_id:
            object.__setattr__(self, "run_id", None)
        check(self)
        object.__setattr__(self, "parameters", shifts_of(self.parameters))
        if (self.run_id is None) == (self.model is None):
            raise ValueError(
                "give exactly one of run_id (a training run, or a parent run) and "
                "model (models:/NAME/VERSION or models:/NAME@ALIAS)"
            )
        if self.checkpoints and self.run_id is None:
            raise ValueError(
                "checkpoints are those of a run: give its run_id; a single checkpoint "
                "is a model (models:/MODEL_ID)"
            )
        if self.model is not None and not self.model.startswith("models:/"):
            raise ValueError(
                f"model must be models:/NAME/VERSION or models:/NAME@ALIAS, "
                f"not {self.model!r}"
            )
        self.check_analyses()

    @property
    def source(self) -> str:
        """What the models are found by: the run id or the model's URI."""
        return self.run_id or self.model or ""

    @property
    def request(self) -> "EvaluationRequest":
        """The episodes."""
        return EvaluationRequest(
            self.episodes, self.seed, dict(self.parameters), self.device
        )


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Two runs on the same episodes; the second is judged against the first.

    Raises:
        ValueError: a value out of range, or a run compared with itself.
    """

    run_1: str = required("Run, or parent run, or models:/..., to compare with.")
    run_2: str = required("Run, or parent run, or models:/..., to judge.")
    episodes: int = setting(
        20_000,
        "Episodes that every model is asked about.",
        minimum=_FEWEST,
        maximum=_MOST,
    )
    seed: int = setting(0, "Seed of the episodes and of the bootstrap.", minimum=0)
    parameters: Mapping[str, float] = task_parameters("as trained if not given")
    device: str = setting("auto", "Where to compute.", choices=_devices)
    experiment: str | None = setting(
        None, "MLflow experiment of the result (the second run's if not given)."
    )

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "parameters", shifts_of(self.parameters))
        if self.run_1 == self.run_2:
            raise ValueError("give two different runs to compare")

    @property
    def request(self) -> "EvaluationRequest":
        """The episodes."""
        return EvaluationRequest(
            self.episodes, self.seed, dict(self.parameters), self.device
        )


@dataclass(frozen=True)
class EvaluationRequest:
    """The episodes that models are asked about.

    Attributes:
        episodes: how many.
        seed: of the draw, in the stream ``analysis``.
        shifts: parameters of the task that differ from training, by name.
        device: where models answer.
    """

    episodes: int
    seed: int
    shifts: dict[str, float]
    device: str
