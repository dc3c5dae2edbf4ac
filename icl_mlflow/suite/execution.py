"""The options of execution: the engine, jobs at once, the cluster, what is resumed."""

from dataclasses import dataclass

from icl_mlflow.settings import check, setting
from icl_mlflow.tracking.local.claims import AUTO, NEVER, is_run_id

#: Local processes, many models on one GPU, a cluster; auto is one of the first two.
ENGINES = ("auto", "processes", "stacked", "ray")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a training or a suite is carried out; nothing here changes its result.

    Raises:
        ValueError: an unknown engine, a ``ray_address`` without ``ray``, or what is
            neither ``auto`` nor ``never`` nor the id of a run.
    """

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
    resume: str = setting(
        AUTO, "Unfinished runs of these settings go on: auto, never, or a run's id."
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

    def check_one(self) -> None:
        """Refuse what makes no sense for one model.

        Raises:
            ValueError: an engine is named.
        """
        if self.engine != "auto":
            raise ValueError("engine is for several models: give seeds, such as 0-9")

    def check_several(self) -> None:
        """Refuse what makes no sense for the members of a suite.

        Raises:
            ValueError: a single run is named to be resumed.
        """
        if self.resume not in {AUTO, NEVER}:
            raise ValueError(
                f"resume={self.resume} names one run, but many are trained; "
                f"choose one of: {AUTO}, {NEVER}"
            )
