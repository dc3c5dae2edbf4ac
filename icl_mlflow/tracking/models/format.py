"""A stored model: weights as safetensors, all else as JSON, bound by a SHA-256.

safetensors notices a truncated file but not a flipped bit, hence the hash. Reading runs
no code and unpickles nothing: classes come from this package, by name.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from icl_mlflow.models import FAMILIES, Architecture, InContextModel
from icl_mlflow.models.initial import Layout
from icl_mlflow.settings import values_of
from icl_mlflow.tasks.base import Task
from icl_mlflow.tracking.local.safe_read import (
    LONGEST_JSON,
    ModelError,
    content_of,
    json_of,
)
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings

WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"

_FORMAT = 1
#: Bytes of a weight, and of what may stand before the weights.
_FLOAT, _LARGEST_HEADER = 4, 1 << 20
#: Bytes of weights that are fetched, whatever a description says: a thousand million.
_LARGEST_WEIGHTS = 1 << 32
_CHECKSUM = "checksum"
_PARTS = {"format", "architecture", "settings", "sha256"}


@dataclass(frozen=True, repr=False)
class LoadedModel:
    """A trained model and how it was trained; called as the model is.

    Attributes:
        model: in evaluation mode, on the CPU.
        settings: of the training run, exact.
        sha256: of the weights file, in hexadecimal.
    """

    model: InContextModel
    settings: TrainSettings
    sha256: str

    def __repr__(self) -> str:
        n_parameters = sum(value.numel() for value in self.model.parameters())
        return f"LoadedModel({self.settings.run_name}, {n_parameters:,} parameters)"

    @property
    def task(self) -> Task:
        """The task as it was trained on, with its dimension and parameters."""
        return problem(self.settings).task

    def __call__(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """The model's log-odds of y_q = 1: (B,), nats; see `InContextModel.forward`."""
        logit_B: Tensor = self.model(context_x_BND, context_y_BN, query_x_BD)
        return logit_B


def write_package(folder: Path, model: InContextModel, settings: TrainSettings) -> str:
    """Write a model's two files into ``folder`` and return the weights' SHA-256."""
    state = model.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    weights = safetensors.torch.save(tensors)
    sha256 = hashlib.sha256(weights).hexdigest()
    description: dict[str, Any] = {
        "format": _FORMAT,
        "architecture": asdict(model.architecture),
        "settings": values_of(settings),
        "sha256": sha256,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    description[_CHECKSUM] = _checksum(description)
    text = json.dumps(description, indent=2) + "\n"
    (folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
    return sha256


def read_package(folder: Path) -> LoadedModel:
    """Read a model back, bit for bit.

    Raises:
        ModelError: names the file, and what is wrong with it.
    """
    described = _description(folder / DESCRIPTION_FILE)
    settings, architecture = _recipe(described)
    family = FAMILIES[architecture.family]
    expected = family.layout(architecture)
    # Before anything is made: a few bytes may describe more than there is memory for.
    weights = _read(folder / WEIGHTS_FILE, _longest_weights(expected))
    found = hashlib.sha256(weights).hexdigest()
    if found != described["sha256"]:
        raise ModelError(
            f"{WEIGHTS_FILE} is damaged: its SHA-256 is {found[:12]}..., "
            f"but {DESCRIPTION_FILE} says {str(described['sha256'])[:12]}..."
        )
    try:
        tensors = safetensors.torch.load(weights)
    except (SafetensorError, KeyError) as error:  # KeyError: a type torch has not
        raise ModelError(
            f"{WEIGHTS_FILE} is not a safetensors file of torch: {error}"
        ) from error
    _check_weights(tensors, expected)
    model = family(architecture)
    model.load_state_dict(tensors)
    return LoadedModel(model.eval(), settings, found)


def longest_weights(folder: Path) -> int:
    """The bytes that a weights file may have, by the description beside it.

    Raises:
        ModelError: names what is wrong with the description.
    """
    _, architecture = _recipe(_description(folder / DESCRIPTION_FILE))
    expected = FAMILIES[architecture.family].layout(architecture)
    return min(_longest_weights(expected), _LARGEST_WEIGHTS)


def _longest_weights(expected: Layout) -> int:
    n_values = sum(math.prod(initial.shape) for initial in expected.values())
    return _LARGEST_HEADER + _FLOAT * n_values


def _description(file: Path) -> dict[str, Any]:
    text = _read(file, LONGEST_JSON)
    try:
        content = json_of(text)
    except ValueError as error:
        raise ModelError(f"{file.name} is damaged: {error}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise ModelError(f"{file.name} does not describe a model of this project")
    if content["format"] != _FORMAT:
        raise ModelError(
            f"{file.name} has format {content['format']!r}, but this version of "
            f"icl-mlflow reads format {_FORMAT}"
        )
    if missing := sorted(_PARTS - content.keys()):
        raise ModelError(f"{file.name} is damaged: it lacks {', '.join(missing)}")
    # Models of earlier versions have no checksum.
    checksum = content.pop(_CHECKSUM, None)
    if unknown := sorted(content.keys() - _PARTS):
        raise ModelError(f"{file.name} is damaged: it has a part {unknown[0]!r}")
    if checksum is not None and checksum != _checksum(content):
        raise ModelError(f"{file.name} is damaged: its checksum is another")
    return content


def _checksum(description: Mapping[str, Any]) -> str:
    """Of what is described, however it is laid out."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(file: Path, limit: int) -> bytes:
    try:
        return content_of(file, limit)
    except ValueError as error:
        raise ModelError(str(error)) from error


def _recipe(described: Mapping[str, Any]) -> tuple[TrainSettings, Architecture]:
    """The settings and the architecture, each valid and both in agreement."""
    try:
        settings = TrainSettings(**described["settings"])
        architecture = Architecture(**described["architecture"])
        expected = problem(settings).architecture
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{DESCRIPTION_FILE} does not fit this version of icl-mlflow: {error}"
        ) from error
    if architecture != expected:
        raise ModelError(
            f"{DESCRIPTION_FILE} contradicts itself: its settings make {expected}, "
            f"but it describes {architecture}"
        )
    return settings, architecture


def _check_weights(found: Mapping[str, Tensor], wanted: Layout) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            raise ModelError(f"{WEIGHTS_FILE} has another architecture: no {name}")
        if name not in wanted:
            raise ModelError(f"{WEIGHTS_FILE} has another architecture: extra {name}")
        here, there = _shape(found[name]), f"float32 {wanted[name].shape}"
        if here != there:
            raise ModelError(
                f"{WEIGHTS_FILE} has another architecture: "
                f"{name} is {here}, not {there}"
            )
        if not found[name].isfinite().all():
            raise ModelError(
                f"{WEIGHTS_FILE}: {name} holds a weight that is not finite"
            )


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
