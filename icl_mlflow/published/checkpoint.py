"""Read the checkpoints published with arXiv 2603.10573, without running what they hold.

A file is a dictionary of ``model_class``, ``model_kwargs``, ``seed`` and
``best_state_dict``. Classes become variants and weights load by name. Only tensors and
plain values are read: code hidden in a file stays unread, and the file is refused.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.published.reading import content_of
from icl_mlflow.registry import unknown_name
from icl_mlflow.settings import check, is_required, required, setting
from icl_mlflow.variants import VARIANTS

#: Published class to variant; braces stand for one of the class's arguments.
_CLASSES = {
    "ICLTransformer": "baseline",
    "ICLTransformerInterleavedEmbeddings": "interleaved",
    "ICLTransformerNoLabels": "no_labels",
    "ICLTransformerShuffledLabels": "shuffled_labels",
    "ICLTransformerShuffledContext": "shuffled_context",
    "ICLTransformerFrozenAttention": "frozen_attention",
    "ICLTransformerFrozenQK": "frozen_query_key",
    "ICLTransformerFrozenPos": "frozen_position",
    "ICLTransformerNoPos": "no_position",
    "ICLTransformerNoisyLabels": "noisy_labels_{noise_p}",
}
_PARTS = {
    "model_class": str,
    "model_kwargs": dict,
    "seed": int,
    "best_state_dict": dict,
}
#: Bytes; the largest published file has about 2 million.
_LARGEST = 256 << 20
_ATTENTION = re.compile(r"transformer\.layers\.\d+\.self_attn\.in_proj_weight")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published model, ready to be evaluated.

    Attributes:
        model: in evaluation mode, on the CPU.
        model_class: of the published code.
        variant: the canonical name of how it was trained.
        seed: of its training.
        sha256: of the file.
        n_context: context points per episode of its training.
    """

    model: Transformer
    model_class: str
    variant: str
    seed: int
    sha256: str
    n_context: int


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """The arguments of all published classes, with their defaults."""

    d_in: int = required("Dimension of x.")
    n_ctx: int = required("Context points that the model is built for.")
    d_model: int = setting(128, "Width of the residual stream.", minimum=1)
    n_layers: int = setting(2, "Transformer blocks.", minimum=1)
    n_heads: int = setting(4, "Attention heads per block.", minimum=1)
    max_len: int = setting(512, "Rows of the interleaved position table.", minimum=1)
    noise_p: float = setting(0.2, "Share of flipped labels.", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        check(self)


def read_published(path: str | Path, *, n_context: int = 32) -> Published:
    """The model in a published checkpoint.

    Args:
        path: a ``.pt`` file.
        n_context: context points per episode of its training data, which the file does
            not tell; it decides between ``baseline`` and ``wide_position_table``.

    Raises:
        ValueError: a file that is missing, damaged, not of this format, at odds with
            itself, or that holds more than tensors and plain values.
    """
    try:
        content = content_of(path, _LARGEST)
        parts = _parts(content)
        if parts["model_class"] not in _CLASSES:
            raise unknown_name("class", parts["model_class"], _CLASSES)
        arguments = _arguments(parts["model_kwargs"])
        variant = _variant(parts["model_class"], arguments, n_context)
        model = _model(variant, arguments, parts["best_state_dict"])
    except ValueError as error:
        message = f"{path} cannot be read as a published checkpoint: {error}"
        raise ValueError(message) from error
    return Published(
        model=model,
        model_class=parts["model_class"],
        variant=variant,
        seed=parts["seed"],
        sha256=hashlib.sha256(content).hexdigest(),
        n_context=arguments.n_ctx // VARIANTS[variant].table_factor,
    )


def _parts(file: bytes) -> dict[str, Any]:
    """What the file holds, each part of the right type."""
    content = io.BytesIO(file)
    try:
        _check_archive(content)
        held = torch.load(content, map_location="cpu", weights_only=True)
    # A damaged file raises anything from KeyError to struct.error and OSError.
    except Exception as error:
        raise ValueError(
            "it is damaged, or holds more than tensors and plain values; "
            "nothing in it was run"
        ) from error
    found: dict[str, Any] = held if isinstance(held, dict) else {}
    wrong = [n for n, kind in _PARTS.items() if not isinstance(found.get(n), kind)]
    if wrong:
        raise ValueError(f"missing, or not of the right type: {', '.join(wrong)}")
    return found


def _check_archive(content: io.BytesIO) -> None:
    """Refuse what torch would not: a bomb, and bits that are not what was written."""
    with zipfile.ZipFile(content) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > content.getbuffer().nbytes:
            raise ValueError(f"it would unpack to {unpacked} bytes")
        if archive.testzip() is not None:
            raise ValueError("a checksum is wrong")
    content.seek(0)


def _arguments(given: Mapping[str, Any]) -> _Arguments:
    must = {f.name for f in fields(_Arguments) if is_required(f)}
    may = {f.name for f in fields(_Arguments)} - must
    if not must <= given.keys() <= must | may:
        raise ValueError(
            f"model_kwargs must hold {', '.join(sorted(must))}, may hold "
            f"{', '.join(sorted(may))}, but hold {', '.join(sorted(map(repr, given)))}"
        )
    return _Arguments(**given)


def _variant(model_class: str, arguments: _Arguments, n_context: int) -> str:
    name = VARIANTS.canonical(_CLASSES[model_class].format_map(asdict(arguments)))
    wide = VARIANTS["wide_position_table"].table_factor * n_context
    is_wide = name == "baseline" and arguments.n_ctx == wide
    return "wide_position_table" if is_wide else name


def _model(
    variant: str, arguments: _Arguments, weights: Mapping[str, Any]
) -> Transformer:
    """The architecture that the arguments mean, with weights that fit it exactly."""
    # Counted first: a layout of as many layers as a file cares to name is endless.
    n_layers = sum(_ATTENTION.fullmatch(str(name)) is not None for name in weights)
    if arguments.n_layers != n_layers:
        raise ValueError(f"n_layers={arguments.n_layers} with weights of {n_layers}")
    embedding = VARIANTS[variant].embedding
    needed = EMBEDDINGS[embedding].n_tokens(arguments.n_ctx)
    positions = arguments.max_len if embedding == "interleaved" else needed
    if positions < needed:
        raise ValueError(
            f"max_len={positions} is too short for n_ctx={arguments.n_ctx}, "
            f"which makes {needed} tokens"
        )
    architecture = Architecture(
        dim=arguments.d_in,
        positions=positions,
        d_model=arguments.d_model,
        n_layers=n_layers,
        n_heads=arguments.n_heads,
        embedding=embedding,
    )
    _check_weights(architecture, weights)
    model = Transformer(architecture)
    model.load_state_dict(dict(weights))
    return model.eval()


def _check_weights(architecture: Architecture, weights: Mapping[str, Any]) -> None:
    expected = Transformer.layout(architecture)
    if weights.keys() != expected.keys():
        different = sorted(map(repr, weights.keys() ^ expected.keys()))
        raise ValueError(f"weights missing or unknown: {', '.join(different)}")
    for name, initial in expected.items():
        value = weights[name]
        if not _is_plain(value) or value.shape != initial.shape:
            raise ValueError(f"{name} is not a tensor of shape {initial.shape}")
        if not value.isfinite().all():
            raise ValueError(f"{name} is not finite")


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that all are in the file.

    One number can pose as any number of them, by strides of zero.
    """
    return (
        isinstance(value, Tensor)
        and value.dtype == torch.float32
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.untyped_storage().nbytes() >= value.nbytes
    )
