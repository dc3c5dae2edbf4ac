"""A model comes back bit for bit, or is refused by name."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.models.format import read_package, write_package
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings


@pytest.fixture
def package(tmp_path: Path, model: Transformer, settings: TrainSettings) -> Path:
    write_package(tmp_path, model, settings)
    return tmp_path


def change(package: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = package / "model.json"
    content = json.loads(file.read_text())
    content.pop("checksum", None)  # models of earlier versions have none
    edit(content)
    file.write_text(json.dumps(content))


def test_a_model_comes_back_bit_for_bit(
    package: Path, model: Transformer, settings: TrainSettings
) -> None:
    loaded = read_package(package)
    assert loaded.settings == settings
    assert not loaded.model.training
    state = model.state_dict()
    assert loaded.model.state_dict().keys() == state.keys()
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_the_same_weights_have_the_same_hash(
    package: Path, model: Transformer, settings: TrainSettings, tmp_path: Path
) -> None:
    again = write_package(tmp_path / "again", model, settings)
    assert again == read_package(package).sha256
    other = initial_model(replace(settings, seed=1))
    assert write_package(tmp_path / "other", other, settings) != again


def test_a_package_is_two_files_without_code(package: Path) -> None:
    assert {f.name for f in package.iterdir()} == {"model.json", "model.safetensors"}


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.999])
def test_a_flipped_bit_is_refused_by_name(package: Path, share: float) -> None:
    file = package / "model.safetensors"
    weights = bytearray(file.read_bytes())
    weights[int(share * len(weights))] ^= 1
    file.write_bytes(weights)
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged.*SHA-256"):
        read_package(package)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_truncated_file_is_refused_by_name(
    package: Path, name: str, share: float
) -> None:
    content = (package / name).read_bytes()
    (package / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=name):
        read_package(package)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_missing_file_is_named(package: Path, name: str) -> None:
    (package / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        read_package(package)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: c.update(format=2), "format 2"),
        (lambda c: c.pop("format"), "does not describe a model"),
        (lambda c: c.pop("settings"), "lacks settings"),
        (lambda c: c["settings"].update(seeed=1), "seeed"),
        (lambda c: c["settings"].update(task="Z"), "unknown task 'Z'"),
        (lambda c: c["settings"].update(epochs="many"), "epochs"),
        (lambda c: c["architecture"].update(n_layers=3), "contradicts itself"),
        (lambda c: c["architecture"].update(n_heads=3), "n_heads=3"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    package: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    change(package, edit)
    with pytest.raises(ModelError, match=said) as refused:
        read_package(package)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["[1, 2]", "null", '{"other": "project"}'])
def test_json_of_something_else_is_refused(package: Path, content: str) -> None:
    (package / "model.json").write_text(content)
    with pytest.raises(ModelError, match="does not describe a model of this project"):
        read_package(package)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda w: w.pop("head.bias"), "no head.bias"),
        (lambda w: w.update(extra=torch.zeros(1)), "extra extra"),
        (
            lambda w: w.update({"head.bias": torch.zeros(2)}),
            "head.bias is float32 (2,)",
        ),
        (
            lambda w: w.update({"head.bias": torch.zeros(1).double()}),
            "head.bias is float64",
        ),
    ],
)
def test_weights_of_another_architecture_are_refused_by_name(
    package: Path, edit: Callable[[dict[str, torch.Tensor]], object], said: str
) -> None:
    file = package / "model.safetensors"
    tensors = safetensors.torch.load(file.read_bytes())
    edit(tensors)
    weights = safetensors.torch.save(tensors)
    file.write_bytes(weights)
    sha256 = hashlib.sha256(weights).hexdigest()
    change(package, lambda content: content.update(sha256=sha256))
    with pytest.raises(ModelError, match="another architecture") as refused:
        read_package(package)
    assert said in str(refused.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["head.bias", "x_proj.weight"])
def test_weights_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, settings: TrainSettings, name: str, value: float
) -> None:
    broken = initial_model(settings)
    with torch.no_grad():
        broken.get_parameter(name).view(-1)[-1] = value
    write_package(tmp_path, broken, settings)
    with pytest.raises(ModelError, match=f"{name} holds a weight that is not finite"):
        read_package(tmp_path)


def test_weights_in_another_format_are_refused(package: Path) -> None:
    pickled = b"\x80\x04]\x94."
    (package / "model.safetensors").write_bytes(pickled)
    sha256 = hashlib.sha256(pickled).hexdigest()
    change(package, lambda content: content.update(sha256=sha256))
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_package(package)
