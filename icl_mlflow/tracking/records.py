"""What a journal holds: one kind of record for everything that a run can be told.

A record is complete in itself. Its files lie beside the journal under their SHA-256, so
it can be delivered at any later time, by any process.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Values as (key, value, time in ms, step); of the run's stored model too."""

    points: tuple[tuple[str, float, int, int], ...]
    of_model: bool = False


@dataclass(frozen=True, kw_only=True)
class Params:
    """Params of the run, by name."""

    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Tags of the run, or of another one."""

    values: Mapping[str, str]
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetInput:
    """Episodes that the run used; the fields are MLflow's."""

    name: str
    digest: str
    source: str
    profile: str
    context: str


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file for ``path`` among the run's artifacts."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A packaged model, to be stored and registered.

    Attributes:
        name: of the registered model.
        sha256: of its weights.
        files: path within the model's folder to SHA-256.
        params: of the stored model.
        facts: tags of the stored model and of the version.
        results: further tags of the version.
    """

    name: str
    sha256: str
    files: Mapping[str, str]
    params: Mapping[str, str]
    facts: Mapping[str, str]
    results: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the run stands since ``time`` (ms): FINISHED, FAILED, KILLED or RUNNING."""

    status: str
    time: int


Record = Metrics | Params | Tags | DatasetInput | Artifact | ModelVersion | Status

_KINDS: dict[str, type[Record]] = {
    "metrics": Metrics,
    "params": Params,
    "tags": Tags,
    "dataset": DatasetInput,
    "artifact": Artifact,
    "model": ModelVersion,
    "status": Status,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_json(record: Record) -> dict[str, Any]:
    """The content of a journal's line.

    >>> to_json(Status(status="KILLED", time=7))
    {'kind': 'status', 'status': 'KILLED', 'time': 7}
    """
    return {"kind": _NAMES[type(record)], **asdict(record)}


def from_json(content: Mapping[str, Any]) -> Record:
    """The record of a journal's line.

    Raises:
        ValueError: not written by this version of the package.

    >>> from_json({"kind": "tags", "values": {"a": "b"}})
    Tags(values={'a': 'b'}, run_id=None)
    """
    fields = dict(content)
    try:
        kind = _KINDS[fields.pop("kind")]
        if kind is Metrics:
            fields["points"] = tuple(tuple(point) for point in fields["points"])
        return kind(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a record of an unknown kind: {error}") from error
