"""Checkpoints on disk: never half there, never believed when damaged, no code inside.

One file each, safetensors with JSON in its header, named by the step and the SHA-256 of
its content: safetensors notices a truncated file but not a flipped bit. It is written
under another name, synced and then renamed, so a crash leaves it whole or not there.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from icl_mlflow.files import write_file

T = TypeVar("T")

_FORMAT = "1"
_NAME = re.compile(r"step-\d{9,}-[0-9a-f]{64}\.safetensors", re.ASCII)
_DRAFT = "draft.safetensors.part"

#: Bytes of a safetensors file that tell the length of its header.
_PREFIX = 8

_logger = logging.getLogger(__name__)


class DamagedCheckpointError(ValueError):
    """A checkpoint cannot be used; the message is one line and says why."""


class CheckpointNotWrittenError(OSError):
    """The disk would not take a checkpoint; the message is one line and says why."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was kept of a training run.

    Attributes:
        step: how many steps had been taken.
        tensors: by name, on the CPU.
        facts: all else, as JSON has it.
    """

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run: the last two, in a folder of their own.

    One process at a time may write to a folder.

    Args:
        folder: made when it is first written to.
        identity: of the settings; a checkpoint of others is refused.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder = folder
        self._identity = identity
        self._last: Path | None = None

    def newest(self, use: Callable[[Checkpoint], T]) -> T | None:
        """What ``use`` makes of the newest checkpoint that is whole, or None.

        Of each that is passed over a warning names the file and the reason.

        Args:
            use: raises DamagedCheckpointError for one that does not fit.

        Raises:
            ValueError: the folder belongs to other settings.
        """
        for file in sorted(self._files(), key=_step, reverse=True):
            try:
                used = use(self._read(file))
            except DamagedCheckpointError as error:
                _logger.warning("checkpoint %s is refused: %s", file, error)
            else:
                self._last = file
                return used
        return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint and the last one before it.

        Raises:
            CheckpointNotWrittenError: the disk is full, or refuses; the checkpoints
                before are as they were.
        """
        content = self._packed(checkpoint)
        digest = hashlib.sha256(content).hexdigest()
        file = self._folder / f"step-{checkpoint.step:09}-{digest}.safetensors"
        if file == self._last:
            return
        draft = self._folder / _DRAFT
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file(file, content, draft)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise CheckpointNotWrittenError(
                f"no checkpoint can be written to {self._folder}: {error.strerror}; "
                "make room and run the same command again, it goes on from the last one"
            ) from error
        kept, self._last = {file, self._last}, file
        for other in self._files():
            if other not in kept:
                other.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [file for file in self._folder.iterdir() if _NAME.fullmatch(file.name)]

    def _packed(self, checkpoint: Checkpoint) -> bytes:
        about = {
            "format": _FORMAT,
            "identity": self._identity,
            "facts": json.dumps(checkpoint.facts),
        }
        return safetensors.torch.save(dict(checkpoint.tensors), about)

    def _read(self, file: Path) -> Checkpoint:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DamagedCheckpointError(f"{error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != _digest(file):
            raise DamagedCheckpointError("its content is not what was written")
        try:
            tensors = safetensors.torch.load(content)
            about = _header(content)["__metadata__"]
            written, identity = about["format"], about["identity"]
            facts = json.loads(about["facts"])
        except (SafetensorError, KeyError, ValueError, RecursionError) as error:
            raise DamagedCheckpointError("it is not a checkpoint") from error
        if written != _FORMAT:
            raise DamagedCheckpointError(f"it has format {written}, not {_FORMAT}")
        if identity != self._identity:
            raise ValueError(
                f"{self._folder} has checkpoints of other settings, or of a version of "
                f"icl-mlflow with other results ({identity}, not {self._identity}); go "
                "on with those, or give another folder"
            )
        return Checkpoint(step=_step(file), tensors=tensors, facts=facts)


def newest_file(folder: Path) -> tuple[int, Path] | None:
    """The step and the file of the newest checkpoint in a folder, read or not."""
    files = folder.glob("step-*.safetensors")
    found = [(_step(file), file) for file in files if _NAME.fullmatch(file.name)]
    return max(found, default=None)


def _step(file: Path) -> int:
    return int(file.name.split("-")[1])


def _digest(file: Path) -> str:
    return file.stem.split("-")[2]


def _header(content: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors file that has been read without complaint."""
    length = int.from_bytes(content[:_PREFIX], "little")
    header: dict[str, Any] = json.loads(content[_PREFIX : _PREFIX + length])
    return header
