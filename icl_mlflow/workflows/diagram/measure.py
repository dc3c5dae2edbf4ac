"""Ask every checkpoint of every member of a diagram."""

from collections.abc import Callable, Mapping

import pandas as pd

from icl_mlflow.analysis.diversity.measure import measured, populations, table_of
from icl_mlflow.tracking.models.lookup import checkpoints_of_run, load_stored
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings


def has_checkpoints(store: Store, run_id: str) -> bool:
    """Whether the weights along a training are in the store."""
    return bool(checkpoints_of_run(store.client, store.client.get_run(run_id)))


def measured_members(
    store: Store,
    members: Mapping[str, TrainSettings],
    episodes: int,
    on_member: Callable[[], None],
) -> pd.DataFrame:
    """The table of `icl_mlflow.analysis.diversity.measure`, of all members.

    Args:
        store: where their checkpoints are.
        members: run id to settings.
        episodes: that every checkpoint answers, in the pool and out of it.
        on_member: called after each.

    Raises:
        ModelError: a checkpoint cannot be fetched, or is damaged.
    """
    rows: list[dict[str, object]] = []
    for run_id, settings in members.items():
        chosen, device = problem(settings), pick_device(settings.device)
        asked = populations(chosen.task, episodes, chosen.n_context, settings.eval_seed)
        for stored in checkpoints_of_run(store.client, store.client.get_run(run_id)):
            epoch = stored.epoch or 0
            step = (epoch + 1) * settings.steps_per_epoch
            where = {
                "pool": chosen.task.wrapping.pool,
                "seed": settings.seed,
                "epoch": epoch,
                "step": step,
                "answers": settings.answers(range(step)),
            }
            model = load_stored(store.client, stored).model.to(device)
            rows += [{**where, **row} for row in measured(model, asked, device)]
        on_member()
    return table_of(rows)
