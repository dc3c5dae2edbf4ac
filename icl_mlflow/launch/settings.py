"""How members are run and tracked; nothing here changes what they compute."""

from dataclasses import dataclass

from icl_mlflow.settings import check, setting
from icl_mlflow.suite import parse_seeds
from icl_mlflow.training.settings import PRESETS


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """Which seeds, how many at once, and where they are tracked."""

    preset: str = setting(
        "paper", "Named defaults; any option given wins.", choices=lambda: PRESETS
    )
    seeds: str | None = setting(
        None, "Several seeds, such as 0,1,2 or 0-9: a parent run, one child a seed."
    )
    jobs: int = setting(0, "Members trained at once; 0 for one per core.", minimum=0)
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )
    dry_run: bool = setting(
        default=False, text="Print what would be done, and do nothing."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.seeds is not None:
            parse_seeds(self.seeds)
