"""What an attacker may have left: nothing of it is run, nothing is written elsewhere.

Models in the store under our names, state folders from elsewhere, published files; each
goes through the command line, or the one function that reads its kind.
"""

import hashlib
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

from icl_mlflow.published.checkpoint import read_published
from icl_mlflow.tracking.models.format import DESCRIPTION_FILE, WEIGHTS_FILE
from icl_mlflow.tracking.outbox.journal import encoded
from icl_mlflow.tracking.pyfunc import DATA_FOLDER
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.cli.conftest import icl
from tests.faults.ledger import Tally
from tests.tiny import MODEL

__all__ = ["icl"]

TINY = TrainSettings(**MODEL)
CANARY = "canary"
UNTOUCHED = "outside the folder"


class Trap:
    """When unpickled, writes the canary."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (CANARY,)


@pytest.fixture
def outside(new_folder: Path) -> Path:
    """A file that no case may read into the store or change."""
    file = new_folder / "outside.txt"
    file.write_text(UNTOUCHED)
    return file


def assert_nothing_happened(folder: Path, before: set[Path], counts: Tally) -> None:
    """No code was run, and nothing lies where it was not."""
    executed = int((folder / CANARY).exists())
    found = {f for f in folder.rglob("*") if "mlruns" not in f.parts}
    touched = int((folder / "outside.txt").read_text() != UNTOUCHED)
    elsewhere = len(found - before - {folder / CANARY}) + touched
    counts.done += 1
    counts.also = {"executions": executed, "files outside": elsewhere}
    counts.wrong += executed + elsewhere
    counts.assert_clean()


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# Models that are registered under our names


def described(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = folder / DATA_FOLDER / DESCRIPTION_FILE
    content = json.loads(file.read_text())
    del content["checksum"]  # models of earlier versions have none
    edit(content)
    file.write_text(json.dumps(content))


def text(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / DATA_FOLDER / DESCRIPTION_FILE).write_text(content)

    return write


def vouched(folder: Path, weights: bytes) -> None:
    """Other weights, with a description that vouches for them."""
    (folder / DATA_FOLDER / WEIGHTS_FILE).write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    described(folder, lambda content: content.update(sha256=digest))


def tensors(header: dict[str, Any] | str, data: bytes = b"") -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return struct.pack("<Q", len(text)) + text.encode() + data


def linked(name: str) -> Callable[[Path], None]:
    def link(folder: Path) -> None:
        file = folder / DATA_FOLDER / name
        file.rename(folder / "real")
        file.symlink_to(folder / "real")

    return link


def linked_folder(folder: Path) -> None:
    (folder / DATA_FOLDER).rename(folder / "real")
    (folder / DATA_FOLDER).symlink_to(folder / "real")


def endless(folder: Path) -> None:
    file = folder / DATA_FOLDER / WEIGHTS_FILE
    file.unlink()
    file.symlink_to("/dev/zero")


def pipe(folder: Path) -> None:
    file = folder / DATA_FOLDER / DESCRIPTION_FILE
    file.unlink()
    os.mkfifo(file)


def a_folder(folder: Path) -> None:
    file = folder / DATA_FOLDER / DESCRIPTION_FILE
    file.unlink()
    file.mkdir()
    (file / "link").symlink_to(folder.parent / "outside.txt")


def pickled(folder: Path) -> None:
    """Our two files beside a pickle that MLflow would load."""
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Trap()))
    loader = folder / "MLmodel"
    loader.write_text(loader.read_text().replace("icl_mlflow.tracking.pyfunc", "trap"))
    (folder / "code").mkdir()
    (folder / "code" / "trap.py").write_text(f"import os; os.mkdir({CANARY!r})")
    described(folder, lambda c: c.update(format="pickle"))


def settings(**changes: Any) -> Callable[[Path], None]:
    def edit(content: dict[str, Any]) -> None:
        content["settings"].update(changes)
        for name in content["architecture"].keys() & changes.keys():
            content["architecture"][name] = changes[name]

    return lambda folder: described(folder, edit)


TRUE = json.dumps(
    {"format": 1, "settings": asdict(TINY), "architecture": {}, "sha256": "0"}
)

MODELS: dict[str, Callable[[Path], object]] = {
    "a pickle, a loader module and code paths": pickled,
    "a link as description": linked(DESCRIPTION_FILE),
    "a link as weights": linked(WEIGHTS_FILE),
    "a folder behind a link": linked_folder,
    "weights without an end": endless,
    "a pipe as description": pipe,
    "a folder as description": a_folder,
    "a name given twice": text(TRUE[:-1] + ', "format": 1}'),
    "not a number": text(TRUE.replace('"sha256": "0"', '"sha256": NaN')),
    "an infinite setting": text(TRUE.replace("0.0003", "Infinity")),
    "deep nesting": text("[" * 200_000),
    "deep nesting in an object": text('{"a":' * 100_000),
    "a description without an end": text(" " * (2 << 20) + TRUE),
    "bytes that are no text": lambda f: (
        f / DATA_FOLDER / DESCRIPTION_FILE
    ).write_bytes(b"\xff\xfe\x00"),
    "a number of 10 000 digits": text('{"format": 1' + "0" * 10_000 + "}"),
    "a width beyond all memory": settings(d_model=2**40),
    "layers without an end": settings(n_layers=10**12),
    "a wide model in a few bytes": settings(d_model=16_384, n_layers=1_000),
    "points beyond all memory": settings(n_context=10**15),
    "a setting that names a file": settings(variant="../../outside.txt"),
    "a task that names a module": settings(task="os:system"),
    "settings that are a list": lambda f: described(
        f, lambda c: c.update(settings=["/etc/passwd"])
    ),
    "a further setting": settings(loader_module="trap"),
    "a pickle as weights": lambda f: vouched(f, pickle.dumps(Trap())),
    "a header without an end": lambda f: vouched(f, struct.pack("<Q", 1 << 62) + b"{}"),
    "a header of another file": lambda f: vouched(f, tensors("[" * 100_000)),
    "a shape out of nothing": lambda f: vouched(
        f,
        tensors({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}),
    ),
    "a shape that overflows": lambda f: vouched(
        f,
        tensors({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
    ),
    "a type that torch does not have": lambda f: vouched(
        f,
        tensors({"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, bytes(4)),
    ),
    "weights of another type": lambda f: vouched(
        f,
        tensors({"a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    ),
    "offsets that overlap": lambda f: vouched(
        f,
        tensors(
            {
                "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                "b": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            },
            b"\0" * 4,
        ),
    ),
}  # fmt: skip


@pytest.fixture
def registered(store: Store) -> tuple[str, Path]:
    """A sound model of ours in the store: its name, and where its files are."""
    with open_run(
        store, name="a", kind="train", params={}, tags={}, description=""
    ) as log:
        model = log.model(initial_model(TINY), TINY, {})
    assert model is not None
    version = store.client.get_model_version(model.name, model.version)
    location = store.client.get_model_version_download_uri(version.name, model.version)
    return model.uri, Path(location.removeprefix("file://"))


def refused(icl: Callable[..., Any], *arguments: str) -> str:
    ended = icl(*arguments)
    assert ended.code in {2, 4}, ended
    (line,) = ended.err.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_an_attacker_is_refused(
    registered: tuple[str, Path],
    icl: Callable[..., Any],
    outside: Path,
    tally: Callable[..., Tally],
    name: str,
) -> None:
    counts = tally("malicious model under our name")
    uri, folder = registered
    # The registry's hash is the attacker's too.
    client = mlflow.MlflowClient()
    model, version = uri.removeprefix("models:/").split("/")
    client.delete_model_version_tag(model, version, "sha256")
    MODELS[name](folder)
    before = everything(outside.parent)
    refused(icl, "analyze", "--model", uri)
    assert_nothing_happened(outside.parent, before, counts)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/model",
        "s3://no-such-bucket-of-ours/model",
        "gs://no-such-bucket-of-ours/model",
        "ftp://127.0.0.1:9/model",
        "sftp://127.0.0.1:9/model",
        "hdfs://127.0.0.1:9/model",
        "wasbs://a@b.blob.core.windows.net/model",
        "dbfs:/model",
        "plugin-of-others://model",
        "/etc",
        "relative/../../folder",
    ],
)
def test_a_place_that_leads_elsewhere_is_one_line(
    *,
    registered: tuple[str, Path],
    icl: Callable[..., Any],
    outside: Path,
    store: Store,
    tally: Callable[..., Tally],
    location: str,
) -> None:
    counts = tally("model that lies elsewhere")
    del registered
    before = everything(outside.parent)
    store.client.create_registered_model("icl-A-evil")
    try:
        store.client.create_model_version("icl-A-evil", location)
    except mlflow.MlflowException:
        pass  # MLflow itself takes no such place
    else:
        refused(icl, "analyze", "--model", "models:/icl-A-evil/1")
    assert_nothing_happened(outside.parent, before, counts)


def test_the_trap_works(new_folder: Path) -> None:
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301
    assert (new_folder / CANARY).exists()


# State folders that somebody has given us to deliver


def artifact(path: str, sha256: str) -> dict[str, Any]:
    return {"kind": "artifact", "path": path, "sha256": sha256}


def model_files(path: str, sha256: str) -> dict[str, Any]:
    return {
        "kind": "model", "name": "icl-A-evil", "sha256": sha256,
        "files": {path: sha256}, "params": {}, "facts": {}, "results": {},
    }  # fmt: skip


RECORDS: dict[str, Any] = {
    "an absolute path": artifact("/{folder}/escaped", "{kept}"),
    "a path upwards": artifact("../../../../escaped", "{kept}"),
    "a path upwards within": artifact("a/../../../escaped", "{kept}"),
    "no path": artifact("", "{kept}"),
    "a path with a line": artifact("a\nb", "{kept}"),
    "a backslash": artifact("..\\escaped", "{kept}"),
    "a file outside": artifact("stolen.txt", "../../../../../outside.txt"),
    "an absolute file": artifact("stolen.txt", "{folder}/outside.txt"),
    "a model's absolute path": model_files("/{folder}/escaped", "{kept}"),
    "a model's path upwards": model_files("../../escaped", "{kept}"),
    "a model's file outside": model_files("MLmodel", "../../../../../outside.txt"),
    "a file that is gone": artifact("gone.txt", "0" * 64),
    "a path that is a number": artifact(7, "{kept}"),  # type: ignore[arg-type]
    "files that are a list": {**model_files("a", "{kept}"), "files": ["a"]},
    "a kind of its own": {"kind": "exec", "code": "import os"},
    "a kind that is a list": {"kind": ["artifact"]},
    "no kind": {},
    "params that are text": {"kind": "params", "values": "a"},
    "params that nest": {"kind": "params", "values": {"a": {"b": "c"}}},
    "metrics that are text": {"kind": "metrics", "points": ["abcd"]},
    "metrics of words": {"kind": "metrics", "points": [["a", "b", "c", "d"]]},
    "a further field": {"kind": "status", "status": "FINISHED", "time": 1, "x": 2},
    "a status of its own": {"kind": "status", "status": "PWNED", "time": 1},
    "a time beyond all times": {"kind": "status", "status": "FAILED", "time": 10**30},
}


@pytest.fixture
def state(store: Store, new_folder: Path) -> Path:
    """A state folder with a journal of a run that is in the store."""
    run = store.client.create_run(store.experiment_id)
    journal = new_folder / ".icl_mlflow/runs" / run.info.run_id / "journal"
    (journal / "files").mkdir(parents=True)
    about = {
        "run_id": run.info.run_id,
        "name": "a",
        "experiment_id": store.experiment_id,
        "place": store.place,
    }
    (journal / "about.json").write_text(json.dumps(about))
    (journal / "records").write_bytes(b"")
    return journal


def artifacts_of(store: Store, journal: Path) -> list[str]:
    found = store.client.list_artifacts(journal.parent.name)
    return [entry.path for entry in found]


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_an_attacker_is_refused_and_the_next_delivered(
    *,
    store: Store,
    state: Path,
    icl: Callable[..., Any],
    outside: Path,
    tally: Callable[..., Tally],
    name: str,
) -> None:
    counts = tally("malicious record in a journal")
    kept = hashlib.sha256(b"evil").hexdigest()
    (state / "files" / kept).write_bytes(b"evil")
    filled = json.loads(
        json.dumps(RECORDS[name])
        .replace("{kept}", kept)
        .replace("/{folder}", str(outside.parent))
        .replace("{folder}", str(outside.parent))
    )
    good = {"kind": "params", "values": {"after": "1"}}
    (state / "records").write_bytes(encoded(filled) + encoded(good))
    run = state.parent.name
    before = everything(outside.parent) | {state / "delivered", state.parent / "lock"}
    before |= {state.parent / "owner.json"}
    line = refused(icl, "sync")
    assert run in line
    assert_nothing_happened(outside.parent, before, counts)
    assert artifacts_of(store, state) == []
    assert not list(outside.parent.rglob("*escaped*"))
    assert store.client.get_run(run).data.params == {"after": "1"}


def replaced(name: str, content: str) -> Callable[[Path], None]:
    return lambda journal: (journal / name).write_text(content) and None


def with_crc(body: bytes) -> str:
    return f"{zlib.crc32(body):08x} {body.decode()}\n"


def state_link(inner: str) -> Callable[[Path], None]:
    def link(journal: Path) -> None:
        target = journal / inner
        real = journal.parents[3] / "elsewhere"
        shutil.move(target, real)
        target.symlink_to(real)

    return link


FOLDERS: dict[str, Callable[[Path], None]] = {
    "about another run": replaced("about.json", '{"run_id": "../../up"}'),
    "about a list": replaced("about.json", "[]"),
    "about what nests": replaced("about.json", "[" * 200_000),
    "about numbers": replaced(
        "about.json", '{"run_id": 1, "name": 2, "experiment_id": 3, "place": 4}'
    ),
    "about nothing": lambda journal: (journal / "about.json").unlink(),
    "a journal behind a link": state_link("."),
    "records behind a link": state_link("records"),
    "files behind a link": state_link("files"),
    "progress of words": replaced("delivered", with_crc(b'{"through":"all"}')),
    "progress of a list": replaced("delivered", with_crc(b'{"refused":5}')),
    "progress that nests": replaced("delivered", with_crc(b'{"a":' + b"[" * 100_000)),
    "records that nest": replaced("records", with_crc(b'{"a":' + b"[" * 100_000)),
    "a record without an end": replaced("records", "0" * (4 << 20)),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_state_folder_of_an_attacker_does_no_harm(
    state: Path,
    icl: Callable[..., Any],
    outside: Path,
    tally: Callable[..., Tally],
    name: str,
) -> None:
    counts = tally("malicious state folder")
    FOLDERS[name](state)
    ours = state.parent
    before = everything(outside.parent)
    before |= {ours / "lock", ours / "owner.json", state / "delivered"}
    ended = icl("sync")
    assert ended.code in {0, 2, 4}
    assert len(ended.err.splitlines()) == (ended.code != 0)
    assert_nothing_happened(outside.parent, before, counts)


# Published files


def zipped(compression: int, content: dict[str, bytes]) -> Callable[[Path], object]:
    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, data in content.items():
                archive.writestr(name, data)

    return write


def published(**weights: Any) -> dict[str, Any]:
    return {
        "model_class": "ICLTransformer",
        "model_kwargs": {"d_in": 3, "n_ctx": 4, "d_model": 8, "n_heads": 2},
        "seed": 0,
        "best_state_dict": {**initial_model(TINY).state_dict(), **weights},
    }


WIDE = published()
WIDE["model_kwargs"] = {"d_in": 3, "n_ctx": 4, "d_model": 16_384, "n_heads": 2}
WIDE["best_state_dict"] = {
    name: torch.zeros(1).expand([16_384 // 8 * n if n >= 8 else n for n in value.shape])
    for name, value in initial_model(TINY).state_dict().items()
}

PUBLISHED: dict[str, Callable[[Path], object]] = {
    "a pickle": lambda f: f.write_bytes(pickle.dumps(Trap())),
    "a pickle in an archive": zipped(
        zipfile.ZIP_STORED,
        {"archive/data.pkl": pickle.dumps(Trap()), "archive/version": b"3\n"},
    ),
    "a pickle in the old format": lambda f: torch.save(
        Trap(), f, _use_new_zipfile_serialization=False
    ),
    "a bomb": zipped(
        zipfile.ZIP_DEFLATED,
        {"archive/data.pkl": b"\x80\x02}.", "archive/data/0": b"\0" * (64 << 20)},
    ),
    "a path upwards": zipped(
        zipfile.ZIP_STORED, {"../../escaped": b"x", "archive/data.pkl": b"\x80\x02}."}
    ),
    "a wide model in a few bytes": lambda f: torch.save(WIDE, f),
    "numbers of another type": lambda f: torch.save(
        published(**{"head.bias": torch.zeros(1, dtype=torch.complex64)}), f
    ),
    "numbers that are not there": lambda f: torch.save(
        published(**{"head.bias": torch.zeros(1, device="meta")}), f
    ),
    "sparse numbers": lambda f: torch.save(
        published(**{"head.bias": torch.zeros(1).to_sparse()}), f
    ),
    "a link without an end": lambda f: f.symlink_to("/dev/null"),
    "a folder": lambda f: f.mkdir(),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_of_an_attacker_is_refused(
    outside: Path, tally: Callable[..., Tally], name: str
) -> None:
    counts = tally("malicious published file")
    file = outside.with_name("model.pt")
    PUBLISHED[name](file)
    before = everything(outside.parent)
    with pytest.raises(ValueError, match="cannot be read as a published") as error:
        read_published(file)
    assert "\n" not in str(error.value)
    assert_nothing_happened(outside.parent, before, counts)
