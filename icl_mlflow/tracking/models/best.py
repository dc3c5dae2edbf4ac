"""The alias ``best``: the version with the lowest validation risk, never test risk."""

import math
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.models.versions import BEST, RegisteredVersion, versions_of


def move_best(client: MlflowClient, name: str) -> None:
    """Give the alias to the best version, whoever else is registering at the same time.

    A version that came in between two looks would be missed, so look again after every
    move: then the last of several processes to move it has seen all versions.
    """
    best = _best_version(client, name)
    moved = None
    while best is not None and best != moved:
        _set_best(client, name, str(best))
        moved, best = best, _best_version(client, name)


def best_of(versions: Sequence[RegisteredVersion]) -> RegisteredVersion | None:
    """The best of these versions; None where no validation risk is known."""
    candidates = [one for one in versions if math.isfinite(one.validation_risk)]
    return min(candidates, key=lambda one: one.rank, default=None)


def _best_version(client: MlflowClient, name: str) -> int | None:
    best = best_of(versions_of(client, f"name='{name}'"))
    return best.version if best else None


def _set_best(client: MlflowClient, name: str, version: str) -> None:
    try:
        client.set_registered_model_alias(name, BEST, version)
    except MlflowException as error:
        # MLflow looks for the alias and then inserts it, so of two processes that set
        # it for the first time one fails. The second time it is there, and is moved.
        if error.error_code != "BAD_REQUEST":
            raise
        client.set_registered_model_alias(name, BEST, version)
