"""The stored model is an MLflow model like any other, without pickle or code."""

import functools
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import torch
import yaml
from mlflow.models import get_model_info

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.store.connection import Store

Keep = Any  # the fixture in conftest.py


@pytest.fixture(autouse=True)
def _no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


@pytest.fixture
def arrays(episode: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: value.numpy() for name, value in episode.items()}


@pytest.fixture
def keep(keep: Keep, model: Transformer) -> Keep:
    """Every run keeps this model, whose logits are known."""
    return functools.partial(keep, model=model)


@pytest.fixture
def logits(model: Transformer, episode: Mapping[str, torch.Tensor]) -> Any:
    with torch.no_grad():
        return model(
            episode["context_x"], episode["context_y"], episode["query_x"]
        ).numpy()


@pytest.mark.parametrize(
    "form",
    [
        "models:/icl-A-baseline/1",
        "models:/icl-A-baseline@best",
        "runs:/{}/A-baseline-seed0",
    ],
)
def test_mlflow_loads_it_by_every_name(
    store: Store, keep: Keep, arrays: Any, logits: Any, form: str
) -> None:
    run_id, _ = keep(store)
    loaded = mlflow.pyfunc.load_model(form.format(run_id))
    np.testing.assert_array_equal(loaded.predict(arrays), logits, strict=True)


def test_the_signature_refuses_other_shapes_and_takes_any_batch(
    store: Store, keep: Keep, arrays: Any
) -> None:
    _, registered = keep(store)
    loaded = mlflow.pyfunc.load_model(registered.uri)
    one = {name: value[:1] for name, value in arrays.items()}
    assert loaded.predict(one).shape == (1,)
    fewer_points = {
        "context_x": arrays["context_x"][:, :2],
        "context_y": arrays["context_y"][:, :2],
        "query_x": arrays["query_x"],
    }
    assert loaded.predict(fewer_points).shape == (5,)
    with pytest.raises(mlflow.MlflowException, match="query_x"):
        loaded.predict({**arrays, "query_x": np.zeros((5, 4), dtype=np.float32)})
    with pytest.raises(mlflow.MlflowException, match="context_y"):
        loaded.predict({k: v for k, v in arrays.items() if k != "context_y"})


def test_the_input_example_is_a_valid_input(store: Store, keep: Keep) -> None:
    _, registered = keep(store)
    loaded = mlflow.pyfunc.load_model(registered.uri)
    example = loaded.input_example
    assert set(example) == {"context_x", "context_y", "query_x"}
    assert np.isfinite(loaded.predict(example)).all()


def test_the_mlflow_model_holds_neither_pickle_nor_code(
    store: Store, keep: Keep, new_folder: Path
) -> None:
    _, registered = keep(store)
    assert get_model_info(registered.uri).signature is not None
    files = {f.name: f for f in new_folder.glob("mlruns/**/*") if f.is_file()}
    assert {"MLmodel", "model.json", "model.safetensors"} <= set(files)
    assert not [name for name in files if name.endswith((".pkl", ".py", ".pt"))]
    flavors = yaml.safe_load(files["MLmodel"].read_text())["flavors"]
    assert list(flavors) == ["python_function"]
    assert flavors["python_function"]["code"] is None
    requirements = files["requirements.txt"].read_text().splitlines()
    assert {line.partition("==")[0] for line in requirements} == {
        "icl-mlflow",
        "mlflow",
        "numpy",
        "safetensors",
        "torch",
    }
    assert not any("+" in line for line in requirements)


NEW_PROCESS = """
import sys
import mlflow, numpy as np, torch
from icl_mlflow.tracking.models.lookup import load_model
run_id, version, folder = sys.argv[1:]
arrays = dict(np.load(f"{folder}/episode.npz"))
expected = arrays.pop("logits")
tensors = [torch.from_numpy(arrays[k]) for k in ("context_x", "context_y", "query_x")]
for reference in (run_id, f"runs:/{run_id}", version, "models:/icl-A-baseline@best"):
    with torch.no_grad():
        found = load_model(reference).model(*tensors).numpy()
    np.testing.assert_array_equal(found, expected, strict=True)
found = mlflow.pyfunc.load_model(version).predict(arrays)
np.testing.assert_array_equal(found, expected, strict=True)
"""


def test_a_new_process_gives_the_same_logits_to_the_bit(
    store: Store, keep: Keep, arrays: Any, logits: Any, new_folder: Path
) -> None:
    run_id, registered = keep(store)
    np.savez(new_folder / "episode.npz", logits=logits, **arrays)
    subprocess.run(
        [sys.executable, "-c", NEW_PROCESS, run_id, registered.uri, str(new_folder)],
        check=True,
    )


def test_a_flipped_bit_is_refused_by_mlflow_too(
    store: Store, keep: Keep, new_folder: Path
) -> None:
    _, registered = keep(store)
    (weights,) = new_folder.glob("mlruns/**/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for load in (mlflow.pyfunc.load_model, load_model):
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
            load(registered.uri)


def test_a_server_gives_the_same_logits(
    server_store: Store, keep: Keep, arrays: Any, logits: Any
) -> None:
    run_id, registered = keep(server_store)
    loaded = mlflow.pyfunc.load_model(registered.uri)
    np.testing.assert_array_equal(loaded.predict(arrays), logits, strict=True)
    tensors = [torch.from_numpy(value) for value in arrays.values()]
    with torch.no_grad():
        found = load_model(run_id).model(*tensors).numpy()
    np.testing.assert_array_equal(found, logits, strict=True)
