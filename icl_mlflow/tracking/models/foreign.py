"""Models of other projects, as far as MLflow can load them and they take our inputs."""

from typing import Any

from mlflow import pyfunc
from mlflow.exceptions import MlflowException

from icl_mlflow.estimators.adapters import INPUTS, PyfuncModel
from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.tracking.store.uri import redacted


def load_foreign(reference: str) -> PyfuncModel:
    """Load a model of any flavour.

    MLflow may run code that is stored with a model: load what you trust.

    Args:
        reference: whatever ``mlflow.pyfunc.load_model`` takes, of the present store.

    Raises:
        ModelError: it cannot be loaded, or takes other inputs than ours.
        StoreError: the store cannot be used.
    """
    open_client()
    try:
        model: Any = pyfunc.load_model(reference)
    except (MlflowException, ImportError, OSError, ValueError, TypeError) as error:
        why = redacted((str(error).splitlines() or [type(error).__name__])[0])
        raise ModelError(f"MLflow cannot load {reference}: {why}") from error
    signature = model.metadata.signature
    names = signature.inputs.input_names() if signature and signature.inputs else []
    if set(names) != set(INPUTS):
        told = (
            f"it takes {', '.join(map(str, names))}" if names else "it names no inputs"
        )
        raise ModelError(
            f"{reference} cannot be asked: its signature must name the inputs "
            f"{', '.join(INPUTS)}; {told}"
        )
    found: PyfuncModel = model
    return found
