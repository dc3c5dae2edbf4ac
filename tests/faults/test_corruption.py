"""Truncated files and flipped bits: never a wrong load, always a named error.

Checkpoints have theirs in tests/training/test_checkpoint.py. ICL_FAULTS_EXAMPLES is how
often each kind of file is damaged in each way.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icl_mlflow.tracking.outbox import Outbox
from icl_mlflow.tracking.package import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    LoadedModel,
    ModelError,
    read_package,
    write_package,
)
from icl_mlflow.tracking.records import Metrics, Params, Record, Status
from icl_mlflow.training.build import initial_model
from icl_mlflow.training.settings import TrainSettings

EXAMPLES = int(os.environ.get("ICL_FAULTS_EXAMPLES", "60"))
TINY = TrainSettings(dim=2, n_context=2, d_model=4, n_heads=2, n_layers=1)

often = settings(max_examples=EXAMPLES, deadline=None)

Damage = Callable[[bytes, st.DataObject], bytes]


def truncated(content: bytes, data: st.DataObject) -> bytes:
    return content[: data.draw(st.integers(0, len(content) - 1))]


def flipped(content: bytes, data: st.DataObject) -> bytes:
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


WAYS = pytest.mark.parametrize("damage", [truncated, flipped], ids=lambda d: d.__name__)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("package")
    write_package(folder, initial_model(TINY), TINY)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def loaded(files: dict[str, bytes]) -> LoadedModel | str:
    """The model in a folder with these files, or why it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            return read_package(Path(folder))
        except ModelError as error:
            return str(error)


@WAYS
@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_a_damaged_model_is_refused_or_the_same(
    package: dict[str, bytes], name: str, damage: Damage
) -> None:
    @often
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        damaged = {**package, name: damage(package[name], data)}
        found = loaded(damaged)
        if isinstance(found, str):
            assert name in found
            assert len(found.splitlines()) == 1
            return
        # A blank may have become another one.
        assert name == DESCRIPTION_FILE
        assert found.settings == TINY
        state = found.model.state_dict()
        for key, value in initial_model(TINY).state_dict().items():
            assert torch.equal(state[key], value)

    check()


RECORDS: list[Record] = [
    Params(values={"lr": "0.1"}),
    *(Metrics(points=(("loss", 0.5 / (n + 1), 1000 + n, n),)) for n in range(5)),
    Status(status="FINISHED", time=2000),
]


@WAYS
@pytest.mark.parametrize("name", ["records", "delivered"])
def test_a_damaged_journal_gives_what_was_written_or_names_the_damage(
    tmp_path: Path, name: str, damage: Damage
) -> None:
    outbox = Outbox(tmp_path / "sound")
    ends = [outbox.put(record).end for record in RECORDS]
    outbox.delivered(ends[:2])
    outbox.delivered(ends[2:4])
    outbox.close()
    sound = {n: (tmp_path / "sound" / n).read_bytes() for n in ("records", "delivered")}

    @often
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        files = {**sound, name: damage(sound[name], data)}
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                Path(folder, file).write_bytes(content)
            damaged = Outbox(Path(folder))
            waiting = [pending.record for pending in damaged.pending()]
            places = damaged.damaged
            damaged.close()
        assert is_subsequence(waiting, RECORDS)
        if name == "delivered":  # at worst all are delivered again
            assert waiting[-3:] == RECORDS[-3:]
        elif damage is flipped and len(waiting) < 3:
            torn = files[name][-1:] != b"\n"
            assert torn or [str(place) for place in places]

    check()


def is_subsequence(found: Iterable[Record], of: Iterable[Record]) -> bool:
    rest = iter(of)
    return all(record in rest for record in found)
