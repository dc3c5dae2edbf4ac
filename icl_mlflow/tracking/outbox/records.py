"""The records of a journal: one class for each kind of thing that is logged.

A record is complete in itself. Its files lie beside the journal under their SHA-256, so
it can be delivered at any later time, by any process.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: A value of a metric: key, value, time in ms, step.
Point = tuple[str, float, int, int]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Values of metrics, of the run or of another one.

    Attributes:
        points: the values.
        of_model: the run's model gets them too.
        dataset: name and digest of the episodes that they were measured on, as far as
            those are one data set of the run.
        run_id: of another run, which gets them instead.
    """

    points: tuple[Point, ...]
    of_model: bool = False
    dataset: tuple[str, str] | None = None
    run_id: str | None = None


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

    def __post_init__(self) -> None:
        _check_files({self.path: self.sha256})


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A packaged model, to be stored and registered.

    Attributes:
        name: of the registered model.
        sha256: of its weights.
        files: path within the model's folder to SHA-256.
        params: of the stored model.
        facts: tags of the stored model and of the version.
        results: what was measured of it, by tracked name.
        card: of the version, in Markdown, but for how it is loaded.
        about: of all versions of the name, in Markdown.
    """

    name: str
    sha256: str
    files: Mapping[str, str]
    params: Mapping[str, str]
    facts: Mapping[str, str]
    results: Mapping[str, str] = field(default_factory=dict)
    card: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        _check_files(self.files)


@dataclass(frozen=True, kw_only=True)
class CheckpointModel:
    """The packaged weights after an epoch, to be stored as a model of the run.

    Attributes:
        name: that the UI calls it by.
        step: the epoch.
        sha256: of its weights.
        files: path within the model's folder to SHA-256.
        params: of the stored model.
        facts: tags of the stored model.
        points: what the run measured of these weights, for the model too.
    """

    name: str
    step: int
    sha256: str
    files: Mapping[str, str]
    params: Mapping[str, str]
    facts: Mapping[str, str]
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _check_files(self.files)


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the run stands since ``time`` (ms): FINISHED, FAILED, KILLED or RUNNING."""

    status: str
    time: int


Record = (
    Metrics
    | Params
    | Tags
    | DatasetInput
    | Artifact
    | ModelVersion
    | CheckpointModel
    | Status
)

_KINDS: dict[str, type[Record]] = {
    "metrics": Metrics,
    "params": Params,
    "tags": Tags,
    "dataset": DatasetInput,
    "artifact": Artifact,
    "model": ModelVersion,
    "checkpoint": CheckpointModel,
    "status": Status,
}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STATUSES = {"FINISHED", "FAILED", "KILLED", "RUNNING"}
_TOO_LARGE = 2**63
_POINTS = ([str, float, int, int], [str, int, int, int])
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
        ValueError: not written by this version of the package, or a file that would
            lie outside of its folder.

    >>> from_json({"kind": "tags", "values": {"a": "b"}})
    Tags(values={'a': 'b'}, run_id=None)
    """
    fields = dict(content)
    try:
        kind = _KINDS[fields.pop("kind")]
        if "points" in fields:
            fields["points"] = tuple(tuple(point) for point in fields["points"])
            if fields.get("dataset") is not None:
                fields["dataset"] = tuple(fields["dataset"])
        record = kind(**fields)
        sound = _is_sound(record)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a record of an unknown kind: {error}") from error
    if not sound:
        raise ValueError(f"a record of {content['kind']} with values of other kinds")
    return record


def _check_files(files: Mapping[str, str]) -> None:
    """Check that files stay below their folder, and are kept under a SHA-256.

    Raises:
        ValueError: names the path.
    """
    for path, sha256 in files.items():
        parts = path.split("/")
        if not path.isprintable() or "\\" in path or {"", ".", ".."} & set(parts):
            raise ValueError(f"{path!r} is no path within a folder")
        if _SHA256.fullmatch(sha256) is None:
            raise ValueError(f"{path!r} is kept under {sha256!r}, which is no SHA-256")


def _is_sound(record: Record) -> bool:
    """Whether the values are of the kinds that are declared."""
    sound = False
    match record:
        case Metrics(
            of_model=bool(), dataset=None | (str(), str()), run_id=None | str()
        ):
            sound = _are_points(record.points)
        case Params(values=values) | Tags(values=values, run_id=None | str()):
            sound = _are_texts(values)
        case DatasetInput() | Artifact():
            sound = _are_texts(asdict(record))
        case ModelVersion(name=str(), sha256=str(), card=str(), about=str()):
            texts = (record.params, record.facts, record.results)
            sound = all(map(_are_texts, texts))
        case CheckpointModel(name=str(), step=int(step), sha256=str(), points=points):
            pairs = (record.params, record.facts)
            sound = step >= 0 and _are_points(points) and all(map(_are_texts, pairs))
        case Status(status=status, time=int(time)):
            sound = status in _STATUSES and 0 <= time < _TOO_LARGE
    return sound


def _are_points(points: tuple[Point, ...]) -> bool:
    return all([type(each) for each in point] in _POINTS for point in points) and all(
        math.isfinite(value) and max(abs(time), abs(step)) < _TOO_LARGE
        for _, value, time, step in points
    )


def _are_texts(values: Mapping[str, str]) -> bool:
    return all(type(text) is str for pair in values.items() for text in pair)
