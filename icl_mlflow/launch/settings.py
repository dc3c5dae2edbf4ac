"""How members are run and tracked; nothing here changes what one of them computes."""

from dataclasses import dataclass

from icl_mlflow.settings import check, setting
from icl_mlflow.suite import parse_seeds, parse_variants
from icl_mlflow.tracking.state import AUTO, NEVER, is_run_id
from icl_mlflow.training.settings import PRESETS

#: Local processes, many models on one GPU, a cluster; auto is one of the first two.
ENGINES = ("auto", "processes", "stacked", "ray")


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """From which defaults, how many at once, and where they are tracked."""

    preset: str = setting(
        "paper", "Named defaults; any option given wins.", choices=lambda: PRESETS
    )
    engine: str = setting(
        "auto",
        "What trains the members of a suite; --dry_run says which, and why.",
        choices=lambda: ENGINES,
    )
    jobs: int = setting(
        0, "Members trained at once; 0 for one per core.", minimum=0, maximum=1_024
    )
    ray_address: str | None = setting(
        None,
        "A running Ray cluster, for engine=ray (RAY_ADDRESS, or one on this machine).",
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )
    resume: str = setting(
        AUTO, "Unfinished runs of these settings go on: auto, never, or a run's id."
    )
    dry_run: bool = setting(
        default=False, text="Print what would be done, and do nothing."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.ray_address is not None and self.engine != "ray":
            raise ValueError("ray_address is for engine=ray; give both or neither")
        if not is_run_id(self.resume):
            raise ValueError(
                f"resume must be {AUTO}, {NEVER} or the id of a run, "
                f"not {self.resume!r}"
            )

    @property
    def resume_members(self) -> str:
        """How the members of a suite are resumed.

        Raises:
            ValueError: a single run is named.
        """
        if self.resume not in {AUTO, NEVER}:
            raise ValueError(
                f"resume={self.resume} names one run, but many are trained; "
                f"choose one of: {AUTO}, {NEVER}"
            )
        return self.resume


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
class AblateSettings:
    """The members of `ablate`: every variant with every seed."""

    variants: str = setting(
        "all", "Variants to train, such as no_labels,no_position; the baseline joins."
    )
    seeds: str = setting("0,1,2", "Seeds of every variant, such as 0,1,2 or 0-9.")

    def __post_init__(self) -> None:
        check(self)
        parse_seeds(self.seeds)
        if self.variants != "all":
            parse_variants(self.variants)
