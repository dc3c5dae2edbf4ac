"""What the user has told MLflow before us: an open run, a name, a description."""

import sys
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from icl_mlflow.tracking.store.mlflow_internals import is_drawn_name


def outer_run(client: MlflowClient) -> Run | None:
    """The run that is open by ``mlflow.start_run`` in this thread, if it is in a store.

    Args:
        client: of the store.
    """
    # Without this module nobody has started a run, and importing it takes time.
    fluent = sys.modules.get("mlflow.tracking.fluent")
    active = fluent.active_run() if fluent is not None else None
    if active is None:
        return None
    try:
        return client.get_run(active.info.run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None  # it is in another store


def said_before(tags: Mapping[str, str], description: str) -> set[str]:
    """The tags for name and description that a run has from its user, and so keeps.

    A name that MLflow has drawn, such as ``bold-crane-482``, is nobody's.

    Args:
        tags: of the run.
        description: that the run has from us when it is opened.
    """
    name, note = tags.get(MLFLOW_RUN_NAME, ""), tags.get(MLFLOW_RUN_NOTE, description)
    said = {MLFLOW_RUN_NAME} if name and not is_drawn_name(name) else set()
    return said if note == description else said | {MLFLOW_RUN_NOTE}
