"""Whatever happens to a journal, no record is read that was not written."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl_mlflow.tracking.outbox.journal import Damage, Entry, Journal, read

CONTENTS = [
    {"kind": "metrics", "points": [["train/loss", 0.1 + n, 1_700_000_000_000 + n, n]]}
    for n in range(8)
] + [{"kind": "tags", "values": {"note": "ein Häuschen\nam Meer"}}]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("journal") / "records"
    with Journal(file) as journal:
        for content in CONTENTS:
            journal.append(content)
    return file.read_bytes()


def contents(file: Path) -> list[object]:
    return [e.content if isinstance(e, Entry) else e for e in read(file)]


def test_what_is_written_is_read(tmp_path: Path, written: bytes) -> None:
    file = tmp_path / "records"
    file.write_bytes(written)
    assert contents(file) == CONTENTS


def test_reading_goes_on_where_it_stopped(tmp_path: Path, written: bytes) -> None:
    file = tmp_path / "records"
    file.write_bytes(written)
    third = [entry.end for entry in read(file)][2]
    rest = [e.content for e in read(file, third) if isinstance(e, Entry)]
    assert rest == CONTENTS[3:]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_torn_tail_is_cut_and_writing_goes_on(
    written: bytes, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(written)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "records")
        file.write_bytes(written[:size])
        whole = written[:size].count(b"\n")
        assert contents(file) == CONTENTS[:whole]
        with Journal(file) as journal:
            journal.append({"kind": "after"})
        assert contents(file) == [*CONTENTS[:whole], {"kind": "after"}]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_flipped_bits_are_named_and_what_is_whole_is_read(
    written: bytes, data: st.DataObject
) -> None:
    positions = st.integers(0, 8 * len(written) - 1)
    flipped = data.draw(st.sets(positions, min_size=1, max_size=4))
    damaged = bytearray(written)
    for position in flipped:
        damaged[position // 8] ^= 1 << position % 8
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "records")
        file.write_bytes(damaged)
        found = list(read(file))
    lines = written.splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    hit = {
        n
        for n, start in enumerate(starts)
        if any(start <= p // 8 < start + len(lines[n]) for p in flipped)
    }
    # A line whose end was hit takes the next one with it.
    near = hit | {n + 1 for n in hit}
    entries = [e.content for e in found if isinstance(e, Entry)]
    assert all(content in CONTENTS for content in entries)
    for n, content in enumerate(CONTENTS):
        if n not in near:
            assert content in entries
        if n in hit:
            assert content not in entries
    torn = bytes(damaged[-1:]) != b"\n"
    assert torn or any(isinstance(e, Damage) for e in found)


def test_damage_says_where_it_is(tmp_path: Path, written: bytes) -> None:
    file = tmp_path / "records"
    lines = written.splitlines(keepends=True)
    damaged = bytearray(written)
    damaged[len(lines[0]) + 20] ^= 1
    file.write_bytes(damaged)
    (damage,) = [e for e in read(file) if isinstance(e, Damage)]
    first, second = len(lines[0]), len(lines[0]) + len(lines[1])
    assert str(damage) == f"line 2 (bytes {first} to {second})"


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write stops half way."""
    program = """
import resource, signal, sys
from pathlib import Path
from icl_mlflow.tracking.outbox.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal(Path("records")) as journal:
    journal.append({"kind": "first"})
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, resource.RLIM_INFINITY))
    try:
        journal.append({"kind": "too long" * 10})
    except OSError as error:
        print(error.strerror)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    journal.append({"kind": "second"})
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("File too large\n", "")
    kinds = [{"kind": "first"}, {"kind": "second"}]
    assert contents(tmp_path / "records") == kinds


def test_a_killed_writer_loses_nothing_that_it_was_told_is_written(
    tmp_path: Path,
) -> None:
    program = """
from pathlib import Path
from icl_mlflow.tracking.outbox.journal import Journal
journal = Journal(Path("records"))
for number in range(10**9):
    journal.append({"number": number})
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        for _ in range(500):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        promised = 500 + len(child.stdout.read().splitlines())
    found = contents(tmp_path / "records")
    assert promised <= len(found) <= promised + 1
    assert found == [{"number": n} for n in range(len(found))]


def test_a_closed_journal_writes_nowhere(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "records")
    journal.close()
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.append({"kind": "late"})
    assert contents(tmp_path / "records") == []
