"""Fetch files that others have written, within a size and a time.

Who writes them is not who reads them: a file may be endless, and a server may send it a
byte a minute. So its size is looked at before anything is on this disk, what exceeds it
is cut, listings have a length, and everything together has a time.
"""

import os
import posixpath
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.safe_read import json_of, opened_plain
from icl_mlflow.tracking.store.mlflow_internals import (
    ArtifactFiles,
    local_folder,
    raise_for_status,
    request,
    transfer_seconds,
)
from icl_mlflow.tracking.store.uri import SERVERS, scheme_of

#: Seconds that one file may take, where the user has not set MLflow's own limit.
PATIENCE = 300

#: Bytes that a listing may have, and entries.
LONGEST_LISTING, MOST_ENTRIES = 4 << 20, 10_000

_LISTING = "/mlflow-artifacts/artifacts"
_PIECE = 1 << 18

#: What takes bytes as they arrive.
_Pieces = Iterator[bytes]


class FetchError(ValueError):
    """A file is not fetched; the message is one line and says why."""


class MissingFileError(FetchError):
    """There is no such file."""


def fetch(files: ArtifactFiles, path: str, folder: Path, limit: int) -> Path:
    """Fetch one file into a folder; where it is then.

    Args:
        files: what holds it.
        path: of the file there.
        folder: of this machine.
        limit: bytes that belong in such a file; one that has more is not kept.

    Raises:
        FetchError: it is missing, no plain file, longer than ``limit``, cut off, or not
            there in time (MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT, or `PATIENCE`).
        MlflowException: the store fails.
    """
    seconds = transfer_seconds() or PATIENCE
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    way = _way(files)
    if not _ended_within(seconds, lambda: way(files, path, target, limit, until)):
        raise _too_slow(path)
    return target


def _way(files: ArtifactFiles) -> Callable[..., None]:
    if scheme_of(files.artifact_uri) in SERVERS:
        return _from_server
    return _from_disk if local_folder(files.artifact_uri) else _from_elsewhere


def _ended_within(seconds: float, call: Callable[[], None]) -> bool:
    """Whether a call has ended in time; what it raises is raised here.

    A server that never ends its headers holds up a thread, which ends with the program.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run, name="fetch", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return False
    if raised:
        raise raised[0]
    return True


def _from_disk(
    files: ArtifactFiles, path: str, target: Path, limit: int, until: float
) -> None:
    """From a folder of this machine, which may be somebody else's."""
    folder = local_folder(files.artifact_uri)
    assert folder is not None
    source = folder / path
    if not os.path.lexists(source):
        raise MissingFileError(f"{path} is missing")
    try:
        stream, size = opened_plain(source)
    except ValueError as error:
        raise FetchError(str(error)) from error
    with stream:
        _check_size(path, size, limit)
        pieces = iter(lambda: stream.read(_PIECE), b"")
        _keep(path, pieces, target, limit, until)


def _from_server(
    files: ArtifactFiles, path: str, target: Path, limit: int, until: float
) -> None:
    """From a tracking server, as a stream: MLflow itself would take all that comes."""
    _check_entry(path, _listed(files.artifact_uri, path, until), limit)
    with closing(_answer(files.artifact_uri, f"/{path}")) as answer:
        _check_size(path, _declared(answer), limit)
        _keep(path, _pieces(answer), target, limit, until)


def _from_elsewhere(
    files: ArtifactFiles, path: str, target: Path, limit: int, until: float
) -> None:
    """From a bucket, whose listing says how long its objects are."""
    del until
    entries = {
        entry.path: {"is_dir": entry.is_dir, "file_size": entry.file_size}
        for entry in files.list_artifacts(posixpath.dirname(path) or None)
    }
    _check_length(len(entries))
    _check_entry(path, entries, limit)
    files.download_artifacts(path, str(target.parents[len(Path(path).parts) - 1]))
    _check_size(path, target.stat().st_size, limit)


def _listed(location: str, path: str, until: float) -> dict[str, dict[str, Any]]:
    """What a server lists beside a file, by path."""
    server, found, root = location.partition(_LISTING)
    if not found:
        raise FetchError(f"{path} cannot be fetched: this server keeps no artifacts")
    folder = posixpath.dirname(path)
    within = posixpath.join(root.lstrip("/"), folder) if folder else root.lstrip("/")
    with closing(_answer(server, _LISTING, params={"path": within})) as answer:
        what = "the list of files"
        _check_size(what, _declared(answer), LONGEST_LISTING)
        content = b"".join(_within(what, _pieces(answer), LONGEST_LISTING, until))
    try:
        entries = json_of(content).get("files", [])
        _check_length(len(entries))
        return {posixpath.join(folder, entry["path"]): entry for entry in entries}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, FetchError):
            raise
        raise MlflowException(
            "what answers is no tracking server: it lists no files"
        ) from error


def _answer(server: str, endpoint: str, **more: Any) -> requests.Response:
    """An answer whose body has not been read yet, and is as long as it says."""
    try:
        answer = request(
            server,
            endpoint,
            "GET",
            stream=True,
            extra_headers={"Accept-Encoding": "identity"},
            **more,
        )
        raise_for_status(answer)
    except requests.RequestException as error:
        raise MlflowException(str(error)) from error
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        answer.close()
        raise FetchError("the server packs files, though it was asked not to")
    return answer


def _declared(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _pieces(answer: requests.Response) -> _Pieces:
    """The body as it arrives: a server that is slow is noticed between two bytes."""
    try:
        while piece := answer.raw.read1(_PIECE):
            yield piece
    # Of urllib3 and of http.client, whose errors have no kind in common.
    except Exception as error:
        raise MlflowException(f"the answer was cut off: {error}") from error


def _within(path: str, pieces: _Pieces, limit: int, until: float) -> _Pieces:
    """The pieces, as long as they are no more than may be, and in time."""
    n_bytes = 0
    for piece in pieces:
        n_bytes += len(piece)
        _check_size(path, n_bytes, limit)
        if time.monotonic() > until:
            raise _too_slow(path)
        yield piece


def _keep(path: str, pieces: _Pieces, target: Path, limit: int, until: float) -> None:
    """Write a file; what is too long or too slow leaves nothing."""
    try:
        with target.open("wb") as file:
            for piece in _within(path, pieces, limit, until):
                file.write(piece)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _check_entry(path: str, entries: dict[str, dict[str, Any]], limit: int) -> None:
    """Check what a listing says of a file."""
    if path not in entries:
        raise MissingFileError(f"{path} is missing")
    entry = entries[path]
    if entry.get("is_dir"):
        raise FetchError(f"{path} cannot be read: it is a folder")
    size = entry.get("file_size")
    _check_size(path, None if size is None else int(size), limit)


def _check_size(path: str, size: int | None, limit: int) -> None:
    if size is not None and size > limit:
        raise FetchError(
            f"{path} has {size} bytes or more, but at most {limit} belong in it"
        )


def _check_length(n_entries: int) -> None:
    if n_entries > MOST_ENTRIES:
        raise FetchError(
            f"the list of files has {n_entries} entries, but at most {MOST_ENTRIES} "
            "belong in it"
        )


def _too_slow(path: str) -> FetchError:
    seconds = transfer_seconds() or PATIENCE
    return FetchError(
        f"{path} has not arrived within {seconds} s; set "
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT to wait longer"
    )
