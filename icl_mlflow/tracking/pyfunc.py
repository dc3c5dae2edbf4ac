"""How ``mlflow.pyfunc.load_model`` and MLflow's model serving open a stored model.

MLflow imports this module by the name in the model's MLmodel file and calls
`_load_pyfunc`.
"""

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from icl_mlflow.models import InContextModel
from icl_mlflow.tracking.models.format import LoadedModel, read_package
from icl_mlflow.version import VERSION

#: The folder that holds a package, and where MLflow puts it inside a model.
PACKAGE_NAME = "package"
DATA_FOLDER = f"data/{PACKAGE_NAME}"

_REQUIREMENTS = ("mlflow", "torch", "safetensors", "numpy")


class InputError(MlflowException, ValueError):
    """Episodes that the model cannot be asked about: HTTP 400 where it is served."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=BAD_REQUEST)


class Predictor:
    """What ``load_model(...)`` returns: answers dictionaries of arrays."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._model = loaded.model

    @torch.no_grad()
    def predict(
        self, model_input: Mapping[str, Any], params: Mapping[str, Any] | None = None
    ) -> NDArray[np.float32]:
        """Log-odds of y_q = 1: (B,), float32, in nats.

        Args:
            model_input: ``context_x`` (B, N, D), ``context_y`` (B, N) and
                ``query_x`` (B, D).
            params: MLflow passes it; there are none.

        Raises:
            InputError: an input that the model refuses, with its sentence, or one
                that is no array of numbers.
        """
        del params
        x_BND, y_BN, query_BD = (
            _tensor(name, model_input[name])
            for name in ("context_x", "context_y", "query_x")
        )
        try:
            logit_B: NDArray[np.float32] = self._model(x_BND, y_BN, query_BD).numpy()
        except ValueError as error:
            raise InputError(str(error)) from error
        if not np.isfinite(logit_B).all():
            points = torch.cat([x_BND.flatten(), query_BD.flatten()])
            largest = float(points.abs().max())
            raise InputError(
                f"there is no finite answer to values as large as {largest:.2g}; "
                "give points of the size that the model was trained with"
            )
        return logit_B


def _tensor(name: str, values: object) -> torch.Tensor:
    array = np.asarray(values)
    if array.dtype == object:  # whatever JSON may hold: rows, numbers, null
        try:
            array = np.asarray(array.tolist(), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{name} must hold numbers, in rows of equal length: {error}"
            ) from error
    try:
        return torch.as_tensor(array)
    except TypeError as error:
        raise InputError(f"{name} must hold numbers, not {array.dtype}") from error


def _load_pyfunc(data_path: str) -> Predictor:
    """Called by MLflow with the folder of the package."""
    return Predictor(read_package(Path(data_path)))


def save(folder: Path, package: Path, model: InContextModel, about: Model) -> None:
    """Write an MLflow model into ``folder``: the package, signature, example, versions.

    Args:
        folder: must not exist yet.
        package: a folder called `PACKAGE_NAME`, made by `write_package`.
        model: the model in the package, for the signature.
        about: what else MLflow is to know, such as the run.
    """
    with warnings.catch_warnings():
        # MLflow, imported in full only here, warns of its own type hints.
        warnings.simplefilter("ignore", UserWarning)
        pyfunc.save_model(
            path=folder,
            loader_module=__name__,
            data_path=str(package),
            mlflow_model=about,
            signature=_signature(model),
            input_example=_example(model),
            pip_requirements=[
                f"icl-mlflow=={VERSION}",
                *(f"{n}=={version(n).partition('+')[0]}" for n in _REQUIREMENTS),
            ],
        )


def _signature(model: InContextModel) -> ModelSignature:
    dim = model.architecture.dim
    single = np.dtype(np.float32)
    # MLflow would cast to whole numbers first, 0.7 to 0; of an object it lets all pass.
    label = TensorSpec(np.dtype(object), (-1,), "context_y")
    return ModelSignature(
        inputs=Schema(
            [
                TensorSpec(single, (-1, -1, dim), "context_x"),
                label,
                TensorSpec(single, (-1, dim), "query_x"),
            ]
        ),
        outputs=Schema([TensorSpec(single, (-1,))]),
    )


def _example(model: InContextModel) -> dict[str, NDArray[Any]]:
    """Two points of either class around the query: a valid input, nothing more."""
    dim = model.architecture.dim
    return {
        "context_x": np.stack([np.ones((2, dim)), -np.ones((2, dim))]).astype(
            np.float32
        ),
        "context_y": np.array([[0, 1], [1, 0]]),
        "query_x": np.ones((2, dim), dtype=np.float32),
    }
