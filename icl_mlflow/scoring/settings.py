"""Settings of episodes in a file and of a score: which task, which episodes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl_mlflow.analysis.selection import Selecting, analyses_setting
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.settings import check, setting, task_parameters
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.parameters import given_to, takes_task_parameters

#: What files of episodes end in.
ENDINGS = (".parquet", ".npz")
#: The fixed episodes of every training are of the last two.
STREAMS = ("train", "validation", "test")


def _streams() -> Collection[str]:
    return STREAMS


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class EpisodesSettings:
    """Episodes to write to a file.

    >>> EpisodesSettings(out="x.parquet", task="A", tau=9).training["tau"]
    9.0

    Raises:
        ValueError: a value out of range, or a parameter that the task does not have.
    """

    out: str = setting("", "File to write: .parquet or .npz.")
    task: str = setting("A", "Task that they are of.", choices=lambda: TASKS)
    dim: int = setting(16, "Dimension of x.", minimum=1, maximum=65_536)
    n_context: int = setting(
        32, "Labelled points per episode.", minimum=1, maximum=1_000_000
    )
    parameters: Mapping[str, float] = task_parameters("{default} if not given")
    n: int = setting(10_000, "How many.", minimum=1, maximum=100_000_000)
    seed: int = setting(0, "Of the draw.", minimum=0)
    stream: str = setting(
        "test",
        "Of random numbers; 20 000 of stream test with seed 0 are those that trainings "
        "are tested on.",
        choices=_streams,
    )

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "parameters", given_to(self.task, self.parameters))
        check_out(Path(self.out))

    @property
    def training(self) -> dict[str, Any]:
        """The settings of a training on such episodes."""
        return _training(self)


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class ScoreSettings(Selecting):
    """Questions put to whatever predicts: those that need not look inside.

    >>> ScoreSettings(task="B", analyses="scoreboard,symmetry").names
    ('scoreboard', 'symmetry')

    Raises:
        ValueError: a value out of range, or an unknown analysis.
    """

    task: str = setting("A", "Task that it is asked about.", choices=lambda: TASKS)
    dim: int = setting(16, "Dimension of x.", minimum=1, maximum=65_536)
    n_context: int = setting(
        32, "Labelled points per episode.", minimum=1, maximum=1_000_000
    )
    parameters: Mapping[str, float] = task_parameters("{default} if not given")
    analyses: str = analyses_setting()
    episodes: int = setting(
        5_000,
        "Episodes that it is asked about; costly questions take the first.",
        minimum=100,
        maximum=100_000_000,
    )
    seed: int = setting(0, "Seed of the episodes and of every other draw.", minimum=0)
    experiment: str | None = setting(
        None,
        "MLflow experiment of the results (MLFLOW_EXPERIMENT_NAME or Default if not "
        "given).",
    )

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "parameters", given_to(self.task, self.parameters))
        self.check_analyses()

    @property
    def training(self) -> dict[str, Any]:
        """The settings of a training on such episodes."""
        return _training(self)

    @property
    def request(self) -> EvaluationRequest:
        """The episodes."""
        return EvaluationRequest(self.episodes, self.seed, {}, "cpu")


@dataclass(frozen=True, kw_only=True)
class ScoredSettings:
    """What is judged: a model, or answers in a file.

    Raises:
        ValueError: not exactly one of both.
    """

    model: str | None = setting(
        None,
        "Model to judge: models:/NAME/VERSION, models:/NAME@ALIAS, runs:/..., or a "
        "folder; any that takes context_x, context_y and query_x.",
    )
    predictions: str | None = setting(
        None,
        "Instead of a model: a file of answers (.parquet, .npz, .csv) with a column "
        "log_odds or probability.",
    )
    truth: str | None = setting(
        None,
        "File of the episodes that were answered, by `icl-mlflow episodes` (the file "
        "of answers if not given).",
    )

    def __post_init__(self) -> None:
        if not self.model:  # as for `AnalyzeSettings.run_id`
            object.__setattr__(self, "model", None)
        if (self.model is None) == (self.predictions is None):
            raise ValueError(
                "give exactly one of model (models:/NAME/VERSION, ...) and predictions "
                "(a file of answers)"
            )
        if self.model is not None and not _is_model(self.model):
            raise ValueError(
                "model must be models:/NAME/VERSION, models:/NAME@ALIAS, "
                f"runs:/ID/NAME or the folder of a model, not {self.model!r}"
            )
        if self.truth is not None and self.predictions is None:
            raise ValueError(
                "truth goes with predictions: a model answers new episodes"
            )


def _is_model(reference: str) -> bool:
    if reference.startswith(("models:/", "runs:/")):
        return True
    try:
        return Path(reference, "MLmodel").is_file()
    except (OSError, ValueError):  # too long for a name, or not one at all
        return False


def _training(settings: EpisodesSettings | ScoreSettings) -> dict[str, Any]:
    return {
        "task": settings.task,
        "dim": settings.dim,
        "n_context": settings.n_context,
        **settings.parameters,
    }


def check_out(file: Path) -> None:
    """Refuse a file before anything is computed that has nowhere to go.

    Raises:
        ValueError: an ending that is not written, or a folder that is not there.
    """
    if file.suffix not in ENDINGS:
        raise ValueError(f"out must end in {' or '.join(ENDINGS)}, not {str(file)!r}")
    if not file.absolute().parent.is_dir():
        raise ValueError(f"there is no folder {file.absolute().parent} for {file.name}")
