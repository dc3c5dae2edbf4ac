"""Settings of the commands beside those of a training: preset, seeds, dry run."""

from dataclasses import dataclass

from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.settings import check, setting
from icl_mlflow.suite.axes import BETWEEN
from icl_mlflow.suite.grid import ALL, USUAL, parse_seeds, parse_variants
from icl_mlflow.training.settings import PRESETS

#: What `search` looks for where nothing else is said: what the optimizer is told.
USUAL_SPACE = BETWEEN.join(
    [
        "lr=1e-4:1e-2",
        "warmup=0.05:0.5",
        "beta2=0.9,0.95,0.99,0.999",
        "batch_size=16,32,64",
    ]
)


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """The preset, the experiment, and whether it is a dry run."""

    preset: str = setting(
        "paper", "Named defaults; any option given wins.", choices=lambda: PRESETS
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )
    dry_run: bool = setting(
        default=False, text="Print what would be done, and do nothing."
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class DryRunSettings:
    """Whether `analyze` asks its questions, or only says what it would ask."""

    dry_run: bool = setting(
        default=False, text="Print what would be asked, and create nothing."
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class SeedSettings:
    """The seeds of `train`."""

    seeds: str | None = setting(
        None, "Several seeds, such as 0,1,2 or 0-9: a parent run, one child a seed."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.seeds is not None:
            parse_seeds(self.seeds)


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings:
    """The seeds of `reproduce`, and whether it trains."""

    seeds: str = setting("0,1,2", "Seeds of every experiment, such as 0,1,2 or 0-9.")
    page_only: bool = setting(
        default=False, text="Train nothing: make tables, figures and page of what is."
    )

    def __post_init__(self) -> None:
        check(self)
        parse_seeds(self.seeds)


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """What `pipeline` ablates and asks, at the smallest size if nobody says more."""

    preset: str = setting(
        "smoke", "Named defaults; any option given wins.", choices=lambda: PRESETS
    )
    variants: str = setting(
        "no_position,no_labels",
        "Variants to train beside the baseline; or all.",
        group="Task",
    )
    seeds: str = setting(
        "0,1", "Seeds of every variant, such as 0,1,2 or 0-9.", group="Run"
    )
    analyses: str = setting(
        "default", "Questions to the first model: default, all, or names with commas."
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )
    dry_run: bool = setting(
        default=False, text="Print what would be trained, and do nothing."
    )

    def __post_init__(self) -> None:
        check(self)
        parse_seeds(self.seeds)
        if self.variants != ALL:
            parse_variants(self.variants)
        self.analysis_of("the first model")  # which are known alone

    def analysis_of(self, run_id: str) -> AnalyzeSettings:
        """The questions to the model of a run."""
        return AnalyzeSettings(run_id=run_id, analyses=self.analyses)


@dataclass(frozen=True, kw_only=True)
class AblateSettings:
    """The members of `ablate`: every variant with every seed."""

    variants: str = setting(
        USUAL,
        "Variants to train, such as no_labels,no_position; the baseline joins. By "
        "default all, but with a grid the baseline alone.",
        group="Task",
    )
    grid: str | None = setting(
        None,
        "A setting or parameter of the task and its values, such as dim=4,8,16; again "
        "for another: every combination is trained.",
        joined_by=BETWEEN,
    )
    seeds: str = setting(
        "0,1,2", "Seeds of every variant, such as 0,1,2 or 0-9.", group="Run"
    )

    def __post_init__(self) -> None:
        check(self)
        parse_seeds(self.seeds)
        if self.variants not in {ALL, USUAL}:
            parse_variants(self.variants)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What `search` looks for, and how long."""

    trials: int = setting(
        50,
        "Trainings in all, those of earlier calls among them.",
        minimum=1,
        maximum=100_000,
        group="Search",
    )
    space: str = setting(
        USUAL_SPACE,
        "A setting and the ends or the values to look between, such as lr=1e-4:1e-2 or "
        "batch_size=16,32; again for another.",
        joined_by=BETWEEN,
    )

    def __post_init__(self) -> None:
        check(self)
