"""Whose a registered model is: who adds versions to it must be allowed to edit it."""

import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_USER

from icl_mlflow.tracking.local.provenance import user_name

#: The tag of a registered model with the user who has made it.
OWNER = "owner"

#: Whom a tracking server knows by a password.
_ACCOUNT = "MLFLOW_TRACKING_USERNAME"


class NotOurModelError(ValueError):
    """A registered model may not be edited by this user; one line that says whose.

    Args:
        name: of the model.
        owner: who has made it, if that is known.
    """

    def __init__(self, name: str, owner: str) -> None:
        whose, whom = (
            (f"{owner}'s", f"ask {owner}")
            if owner
            else (
                "another user's",
                "ask its owner",
            )
        )
        super().__init__(
            f"the registered model {name} is {whose}, and {our_name()} may not edit "
            f"it; {whom} for the permission and run `icl-mlflow sync`, or train under "
            "a name of your own (--model_prefix)"
        )


def our_name() -> str:
    """What the tracking server calls this user; without a password, this machine."""
    return os.environ.get(_ACCOUNT) or user_name()


def owner_of(client: MlflowClient, name: str) -> str:
    """Who has made a registered model; empty where that is not to be learned."""
    try:
        owner = client.get_registered_model(name).tags.get(OWNER, "")
        return str(owner) or _first_user(client, name)
    except MlflowException:
        return ""


def _first_user(client: MlflowClient, name: str) -> str:
    """Who ran the training of the first version: models once had no owner's tag."""
    run_id = client.get_model_version(name, "1").run_id
    return str(client.get_run(run_id).data.tags.get(MLFLOW_USER, "")) if run_id else ""
