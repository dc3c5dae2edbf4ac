"""Two files beside a journal: the run that it is for, and how much is delivered."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from icl_mlflow.files import write_file
from icl_mlflow.tracking.local.claims import is_run_id
from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, content_of, json_of
from icl_mlflow.tracking.outbox.journal import Damage, read

#: The folder's files: whose the records are, and the journal of what is delivered.
ABOUT, DELIVERED = "about.json", "delivered"

#: Of the folder and all in it; a higher one is written by a later version of this
#: package, and not touched.
_FORMAT = 2

#: Those that are read: the first had no checkpoints, no cards of models, and no metrics
#: that name a data set or another run.
_READ = (1, _FORMAT)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The run, and its store, that the records of a journal are for.

    Attributes:
        run_id, name: of the run.
        experiment_id: of its experiment.
        place: the tracking URI without secrets.
        experiment: its name.
        tags, params: what the run had when it was opened, which no record says.
    """

    run_id: str
    name: str
    experiment_id: str
    place: str
    experiment: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeliveryProgress:
    """How much of a journal the store has.

    Attributes:
        through: all records before this byte are delivered or refused.
        refused: where those records end that the store will not take.
        model_id: of the run's stored model, once there is one.
        run_id: of the run that was made in place of the one that is gone, if any was.
    """

    through: int = 0
    refused: tuple[int, ...] = ()
    model_id: str | None = None
    run_id: str | None = None


class LaterFormatError(ValueError):
    """A journal was written by a later version of this package; one line."""


def write_destination(folder: Path, destination: Destination) -> None:
    """Write down the run that the records are for, before there is a record.

    Raises:
        LaterFormatError: a later version of this package has written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_format(folder)
    content = {"format": _FORMAT, **asdict(destination)}
    write_file(folder / ABOUT, json.dumps(content).encode())


def check_format(folder: Path) -> None:
    """Check that no later version of this package has written there.

    Raises:
        LaterFormatError: names the file.
    """
    try:
        read_destination(folder)
    except LaterFormatError:
        raise
    except ValueError:
        pass  # there is nothing, or it is damaged: to be written anew


def read_destination(folder: Path) -> Destination:
    """Read which run the records are for.

    Raises:
        ValueError: the file is damaged, or of a later version of this package.
    """
    file = folder / ABOUT
    try:
        content = dict(json_of(content_of(file, LONGEST_JSON)))
        # What was written before there were formats has none.
        number = content.pop("format", 1)
        destination = Destination(**content) if number in _READ else None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if destination is None:
        raise LaterFormatError(
            f"{file} has format {number!r}, but this version of icl-mlflow reads "
            f"formats up to {_FORMAT}; install a later one"
        )
    if not _is_text(destination):
        raise ValueError(f"{file} is damaged: not all of it is text")
    names = {destination.run_id, last_progress(folder / DELIVERED).run_id}
    if folder.parent.name not in names:
        raise ValueError(f"{file} is about another run")
    return destination


def _is_text(destination: Destination) -> bool:
    pairs = asdict(destination)
    maps = [pairs.pop(name) for name in ("tags", "params")]
    if not all(isinstance(each, dict) for each in maps):
        return False
    texts = [*pairs.values(), *(value for each in maps for value in each.values())]
    return all(isinstance(value, str) for value in texts)


def last_progress(file: Path) -> DeliveryProgress:
    """Read the progress from its last sound line; the rest is delivered once more."""
    progress = DeliveryProgress()
    for found in read(file) if file.exists() else ():
        if not isinstance(found, Damage):
            progress = _progress(found.content) or progress
    return progress


def _progress(content: Mapping[str, Any]) -> DeliveryProgress | None:
    """What a line says; None for what has not been written here."""
    match content:
        case {
            "through": int(through),
            "refused": [*refused],
            "model_id": (None | str()) as model_id,
        } if all(isinstance(end, int) for end in refused):
            run_id = content.get("run_id") or ""
            return DeliveryProgress(
                through=through,
                refused=tuple(refused),
                model_id=model_id,
                run_id=run_id if is_run_id(str(run_id)) else None,
            )
    return None
