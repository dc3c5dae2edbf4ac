"""Records wait in order until they are delivered, across any number of processes."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from icl_mlflow.tracking.outbox.journal import encoded
from icl_mlflow.tracking.outbox.outbox import DamagedFileError, Outbox
from icl_mlflow.tracking.outbox.records import Status, Tags, to_json
from tests.tracking.outbox.conftest import loss

RECORDS = [loss(0), Tags(values={"kind": "train"}), loss(1)]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An outbox with three records."""
    made = Outbox(tmp_path / "journal")
    for record in RECORDS:
        made.put(record)
    return made


@pytest.fixture
def again(outbox: Outbox) -> Callable[[], Outbox]:
    """The same outbox, as the next process finds it."""

    def reopen() -> Outbox:
        outbox.close()
        return Outbox(outbox.folder)

    return reopen


def waiting(outbox: Outbox) -> list[object]:
    return [one.record for one in outbox.pending()]


def test_records_wait_in_the_order_in_which_they_were_put(
    outbox: Outbox, again: Callable[[], Outbox]
) -> None:
    assert waiting(outbox) == RECORDS
    assert waiting(again()) == RECORDS


def test_what_is_delivered_waits_no_more(
    outbox: Outbox, again: Callable[[], Outbox]
) -> None:
    first, second, _ = outbox.pending()
    outbox.delivered([first.end, second.end], model_id="m-1")
    assert waiting(outbox) == RECORDS[2:]
    later = again()
    assert waiting(later) == RECORDS[2:]
    assert later.progress.model_id == "m-1"
    assert [one.record for one in later.written()] == RECORDS


def test_what_was_refused_waits_again_in_its_place(
    outbox: Outbox, again: Callable[[], Outbox]
) -> None:
    first, second, third = outbox.pending()
    outbox.delivered([first.end])
    outbox.refuse(second.end)
    outbox.delivered([third.end])
    later = again()
    assert waiting(later) == [RECORDS[1]]
    later.delivered([second.end])
    assert waiting(later) == []


def test_the_id_of_the_model_stays_known(outbox: Outbox) -> None:
    first, second, _ = outbox.pending()
    outbox.delivered([first.end], model_id="m-1")
    outbox.delivered([second.end])
    assert outbox.progress.model_id == "m-1"


def test_a_run_that_was_made_anew_gets_everything(
    outbox: Outbox, again: Callable[[], Outbox]
) -> None:
    outbox.delivered([one.end for one in outbox.pending()], model_id="m-1")
    outbox.begin_anew("0a1b2c")
    later = again()
    assert waiting(later) == RECORDS
    assert (later.progress.run_id, later.progress.model_id) == ("0a1b2c", None)


def test_a_damaged_record_is_named_and_the_others_wait(
    outbox: Outbox, again: Callable[[], Outbox]
) -> None:
    first, second, _ = outbox.pending()
    file = outbox.folder / "records"
    content = bytearray(file.read_bytes())
    content[first.end + 20] ^= 1
    file.write_bytes(content)
    later = again()
    assert waiting(later) == [RECORDS[0], RECORDS[2]]
    where = f"line 2 (bytes {first.end} to {second.end})"
    assert [str(damage) for damage in later.damaged] == [where]


def test_a_record_of_no_known_kind_is_damage_too(outbox: Outbox) -> None:
    later = {**to_json(Status(status="KILLED", time=7)), "why": "?"}
    with (outbox.folder / "records").open("ab") as file:
        file.write(encoded(later))
    assert waiting(outbox) == RECORDS
    assert [damage.line for damage in outbox.damaged] == [4]


def test_a_kept_file_stays_as_it_was(outbox: Outbox, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("before")
    sha256 = outbox.keep(file)
    file.write_text("after, and longer")
    assert sha256 == hashlib.sha256(b"before").hexdigest()
    assert outbox.size(sha256) == 6
    outbox.copy(sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "before"


def test_a_kept_file_that_is_not_what_it_was_is_refused(
    outbox: Outbox, tmp_path: Path
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("before")
    sha256 = outbox.keep(file)
    outbox.kept(sha256).write_text("BEFORE")
    with pytest.raises(DamagedFileError, match="the file for one is damaged"):
        outbox.copy(sha256, tmp_path / "one")
    outbox.kept(sha256).unlink()
    with pytest.raises(DamagedFileError, match="the file for two is gone"):
        outbox.copy(sha256, tmp_path / "two")
    assert outbox.size(sha256) is None


def test_what_is_discarded_leaves_nothing(outbox: Outbox) -> None:
    outbox.discard()
    assert not outbox.folder.exists()
