"""Files of others: no more than belongs in them, within a time, whoever sends them."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from icl_mlflow.tracking.models.download import FetchError, MissingFileError, fetch
from icl_mlflow.tracking.models.lookup import ModelError, load_model
from icl_mlflow.tracking.runs.query import child_runs, one_line_errors
from icl_mlflow.tracking.runs.results import UnreadableMemberError, read_member
from icl_mlflow.tracking.runs.resume import command_to_resume
from icl_mlflow.tracking.store.connection import Store, connect, open_client
from tests.tracking.conftest import keep_one
from tests.tracking.misbehaving import (
    ENDLESS,
    MANY,
    Misbehaving,
    Request,
    cut_off,
    dripping,
    dripping_headers,
    endless,
    endless_in_chunks,
    long_list,
    misbehaving,
    packed,
    said_to_be_long,
)


@pytest.fixture
def server(
    server_uri: str, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Misbehaving]:
    del new_folder
    with misbehaving(server_uri) as made:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
        yield made


class Reading:
    """A run with all the files that others read, and how they do."""

    def __init__(self, run_id: str, store: Store) -> None:
        self.run_id = run_id
        self._store = store

    def model(self) -> object:
        return load_model(self.run_id, self._store.client)

    def result(self) -> object:
        return read_member(self._store, self.run_id)

    def members(self) -> object:
        client = self._store.client
        with one_line_errors(client):  # as who asks for them does
            return child_runs(client, client.get_run(self.run_id))

    def settings(self) -> object:
        return command_to_resume(self._store.client, self.run_id)


@pytest.fixture(scope="module")
def written(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a run with all files, written without hindrance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server_uri)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        store = connect("fetched")
        run_id, _ = keep_one(store)
        for name in ("history.csv", "predictions.safetensors", "settings.json"):
            store.client.log_text(run_id, "epoch\n0\n", name)
        store.client.log_text(run_id, "[]", "members.json")
    return run_id


@pytest.fixture
def reading(server: Misbehaving, written: str) -> Reading:
    client = open_client()
    assert server.uri == client.tracking_uri
    return Reading(written, Store(server.uri, "0", client))


READERS = ("model", "result", "members", "settings")
REFUSED = (ModelError, UnreadableMemberError)


def refusal(reading: Reading, reader: str) -> str:
    """What is said instead of a file, within seconds and with nothing left behind."""
    started = time.monotonic()
    with pytest.raises(REFUSED) as raised:
        getattr(reading, reader)()
    assert time.monotonic() - started < 15
    return str(raised.value)


def test_well_sent_files_arrive(reading: Reading) -> None:
    assert reading.model()
    assert reading.members() == []
    assert "is missing" not in refusal(reading, "result")  # it has no result in it


@pytest.mark.parametrize("reader", ["model", "members"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        (said_to_be_long, f"has {MANY} bytes or more"),
        (endless, "but at most 1048576 belong in it"),
        (endless_in_chunks, "but at most 1048576 belong in it"),
        (cut_off, "cut off"),
        (packed, "packs files"),
    ],
)
def test_no_more_of_a_file_is_taken_than_belongs_in_it(
    server: Misbehaving,
    reading: Reading,
    reader: str,
    how: Callable[[Request], None],
    message: str,
) -> None:
    server.files = how
    assert message in refusal(reading, reader)


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("model", "model.json"),
        ("model", "model.safetensors"),
        ("members", "members.json"),
        ("result", "history.csv"),
        ("result", "predictions.safetensors"),
    ],
)
def test_a_file_that_is_listed_as_too_long_is_not_asked_for(
    server: Misbehaving, reading: Reading, reader: str, name: str
) -> None:
    server.sizes[name] = MANY
    assert f"{name} has {MANY} bytes or more" in refusal(reading, reader)


@pytest.mark.parametrize("reader", ["model", "result", "members"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        (long_list, "has 20000 entries, but at most 10000"),
        (endless, "the list of files has"),
        (said_to_be_long, f"the list of files has {MANY} bytes or more"),
    ],
)
def test_a_listing_has_a_length(
    server: Misbehaving,
    reading: Reading,
    reader: str,
    how: Callable[[Request], None],
    message: str,
) -> None:
    server.lists = how
    assert message in refusal(reading, reader)


@pytest.mark.parametrize("what", ["files", "lists"])
@pytest.mark.parametrize("how", [dripping, dripping_headers])
@pytest.mark.parametrize("reader", ["model", "members"])
def test_a_server_that_never_ends_has_a_time(
    server: Misbehaving,
    reading: Reading,
    monkeypatch: pytest.MonkeyPatch,
    *,
    reader: str,
    how: Callable[[Request], None],
    what: str,
) -> None:
    setattr(server, what, how)
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "1")
    said = refusal(reading, reader)
    assert "has not arrived within 1 s" in said
    assert "set MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT" in said


@pytest.mark.parametrize("reader", READERS)
def test_nobody_waits_for_the_end_of_what_has_none(
    server: Misbehaving, reading: Reading, reader: str
) -> None:
    server.files = endless
    getattr(reading, reader)() if reader == "settings" else refusal(reading, reader)
    until = time.monotonic() + 5
    while not server.hung_up and time.monotonic() < until:
        time.sleep(0.02)
    assert server.hung_up == 1


@pytest.mark.parametrize("name", ["members.json", "model.safetensors", "history.csv"])
def test_a_file_of_a_folder_is_measured_before_it_is_copied(
    store: Store, name: str
) -> None:
    run_id, _ = keep_one(store)
    store.client.log_text(run_id, "[]", "members.json")
    store.client.log_text(run_id, "epoch\n", "history.csv")
    (file,) = Path("mlruns").rglob(name)
    os.truncate(file, ENDLESS)
    of_name = {"members.json": "members", "history.csv": "result"}
    said = refusal(Reading(run_id, store), of_name.get(name, "model"))
    assert f"{name} has {ENDLESS} bytes or more" in said


class Bucket(LocalArtifactRepository):
    """Storage of a kind of its own, over a folder; neither a server nor a place."""

    def __init__(self, artifact_uri: str, *uris: str | None) -> None:
        super().__init__(Path(urlsplit(artifact_uri).path).as_uri(), *uris)
        self.artifact_uri = artifact_uri


def test_objects_of_a_bucket_are_measured_by_its_list(tmp_path: Path) -> None:
    (tmp_path / "bucket/data").mkdir(parents=True)
    for name, size in (("short", 10), ("long", 11)):
        (tmp_path / "bucket/data" / name).write_bytes(b"x" * size)
    bucket = Bucket(f"bucket://{tmp_path}/bucket")
    file = fetch(bucket, "data/short", tmp_path, 10)
    assert (file, file.stat().st_size) == (tmp_path / "data/short", 10)
    with pytest.raises(FetchError, match="data/long has 11 bytes or more"):
        fetch(bucket, "data/long", tmp_path, 10)
    assert not (tmp_path / "data/long").exists()
    with pytest.raises(MissingFileError):
        fetch(bucket, "data/none", tmp_path, 10)
