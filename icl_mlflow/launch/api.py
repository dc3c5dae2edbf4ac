"""Suites as a notebook starts them: text in, the comparison out."""

from icl_mlflow.launch import ablate as suites
from icl_mlflow.launch.ready import check_members, choose_variants
from icl_mlflow.launch.train import train_seeds as train_members_of
from icl_mlflow.launch.trained import TrainedSeeds
from icl_mlflow.suite import parse_seeds
from icl_mlflow.tracking.manners import manners
from icl_mlflow.tracking.state import AUTO
from icl_mlflow.tracking.store import connect
from icl_mlflow.training.settings import TrainSettings


@manners()
def ablate(
    settings: TrainSettings,
    variants: str = "all",
    seeds: str = "0,1,2",
    *,
    jobs: int = 0,
    engine: str = "auto",
    ray_address: str | None = None,
    experiment: str | None = None,
    resume: str = AUTO,
) -> suites.Ablation:
    """Train every variant with every seed and compare them: ``icl-mlflow ablate``.

    Members train in processes of their own, so a script that calls this needs the line
    ``if __name__ == "__main__":`` above its calls; a notebook does not.

    Args:
        settings: of every member, but for variant and seed.
        variants: ``all``, or a list such as ``no_labels,no_position``.
        seeds: such as ``0,1,2`` or ``0-9``.
        jobs: members, or stacks of them, trained at once; 0 to let the engine decide.
        engine: ``auto``, ``processes``, ``stacked`` or ``ray``.
        ray_address: of a running cluster, for ``ray``; by default one on this machine.
        experiment: MLflow's experiment.
        resume: ``auto`` to go on with members that were killed, or ``never``.

    Raises:
        ValueError: an unknown variant, or one that the task cannot have.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish; the others are compared.
    """
    chosen = choose_variants(variants, settings.task)
    numbers = parse_seeds(seeds)
    check_members(settings, chosen, numbers)
    store = connect(experiment)
    suite = suites.plan_suite(store, settings, chosen, numbers)
    return suites.ablate(
        store,
        suite,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        resume=resume,
    )


@manners()
def train_seeds(
    settings: TrainSettings,
    seeds: str = "0,1,2",
    *,
    jobs: int = 0,
    engine: str = "auto",
    ray_address: str | None = None,
    experiment: str | None = None,
    resume: str = AUTO,
) -> TrainedSeeds:
    """Train one model a seed below a parent run: ``icl-mlflow train --seeds``.

    Args and errors are those of `ablate`.
    """
    numbers = parse_seeds(seeds)
    return train_members_of(
        connect(experiment),
        settings,
        numbers,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        resume=resume,
    )
