"""A model of another project is loaded if it takes our inputs."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from icl_mlflow.estimators.adapters import INPUTS, of_pyfunc
from icl_mlflow.evaluation import predict
from icl_mlflow.tasks import TASKS
from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.models.foreign import load_foreign
from icl_mlflow.tracking.store.connection import Store

#: A model as another project would have it: the class whose points lie more in the
#: direction of the query.
CODE = """
import mlflow
import numpy as np

class NearestMean(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        x, y, query = list(model_input.values())
        return np.einsum("bn,bnd,bd->b", 2 * np.asarray(y) - 1, x, query) / x.shape[1]

mlflow.models.set_model(NearestMean())
"""


def logged(names: tuple[str, ...]) -> str:
    shapes = dict(zip(names, [(-1, -1, 4), (-1, -1), (-1, 4)], strict=True))
    kinds = [np.float32, np.int64, np.float32]
    inputs = [
        TensorSpec(np.dtype(kind), shape, name)
        for (name, shape), kind in zip(shapes.items(), kinds, strict=True)
    ]
    outputs = Schema([TensorSpec(np.dtype(np.float64), (-1,))])
    Path("nearest.py").write_text(CODE)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="nearest",
            python_model="nearest.py",
            signature=ModelSignature(Schema(inputs), outputs),
            pip_requirements=[],
        )
    return str(info.model_uri)


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's, of type hints
def test_it_answers_as_where_it_comes_from(store: Store) -> None:
    del store
    reference = logged(INPUTS)
    episodes = TASKS["A"].__class__(dim=4).sample(30, 6, stream="test")
    found = predict(of_pyfunc(load_foreign(reference)), episodes)
    x, y, query = (
        value.numpy()
        for value in (
            episodes.context_x_BND,
            episodes.context_y_BN,
            episodes.query_x_BD,
        )
    )
    expected = np.einsum("bn,bnd,bd->b", 2 * y - 1, x, query) / 6
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_takes_other_inputs_or_is_not_there_is_told(store: Store) -> None:
    del store
    reference = logged(("x", "y", "q"))
    with pytest.raises(ModelError, match=r"the inputs context_x, .*; it takes x, y, q"):
        load_foreign(reference)
    with pytest.raises(ModelError, match="MLflow cannot load models:/nobody/1"):
        load_foreign("models:/nobody/1")
