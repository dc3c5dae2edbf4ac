"""A folder of records says for which run they are, or is not delivered from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.tracking.outbox.destination import (
    DeliveryProgress,
    Destination,
    LaterFormatError,
    check_format,
    last_progress,
    read_destination,
    write_destination,
)
from icl_mlflow.tracking.outbox.journal import Journal
from icl_mlflow.tracking.outbox.outbox import Outbox
from tests.tracking.outbox.conftest import loss

DESTINATION = Destination(
    run_id="0a1b2c",
    name="A-baseline-seed0",
    experiment_id="1",
    place="https://mlflow.example.org",
    experiment="tests",
    tags={"kind": "train"},
    params={"lr": "3e-4"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written = tmp_path / "0a1b2c" / "journal"
    write_destination(written, DESTINATION)
    return written


@pytest.fixture
def edit(folder: Path) -> Callable[..., None]:
    """Changes what the folder says of its run."""

    def change(**fields: Any) -> None:
        file = folder / "about.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def test_the_destination_is_read_as_it_was_written(
    folder: Path, edit: Callable[..., None]
) -> None:
    assert read_destination(folder) == DESTINATION
    edit(format=1)  # of an earlier version
    assert read_destination(folder) == DESTINATION


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"run_id": 7}, "damaged: not all of it is text"),
        ({"tags": {"kind": 7}}, "damaged: not all of it is text"),
        ({"params": "lr"}, "damaged: not all of it is text"),
        ({"owner": "ann"}, "damaged: .*owner"),
        ({"run_id": "0a1b2d"}, "about another run"),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, edit: Callable[..., None], fields: dict[str, Any], said: str
) -> None:
    edit(**fields)
    with pytest.raises(ValueError, match=f"about.json is {said}"):
        read_destination(folder)
    check_format(folder)  # damage may be written over


def test_a_later_format_is_named_and_not_written_over(
    folder: Path, edit: Callable[..., None]
) -> None:
    edit(format=3)
    said = r"about\.json has format 3, .* reads formats up to 2; install a later one"
    with pytest.raises(LaterFormatError, match=said):
        read_destination(folder)
    with pytest.raises(LaterFormatError, match=said):
        write_destination(folder, DESTINATION)


def test_the_first_format_is_read(folder: Path, edit: Callable[..., None]) -> None:
    edit(format=1)
    assert read_destination(folder) == DESTINATION


def test_the_run_that_took_the_place_is_of_this_folder_too(folder: Path) -> None:
    outbox = Outbox(folder)
    outbox.begin_anew("3d4e5f")
    outbox.close()
    renamed = folder.parent.rename(folder.parent.with_name("3d4e5f")) / "journal"
    assert read_destination(renamed) == DESTINATION


def test_progress_is_the_last_line_that_can_be_read(folder: Path) -> None:
    assert last_progress(folder / "delivered") == DeliveryProgress()
    outbox = Outbox(folder)
    outbox.put(loss(0))
    end = outbox.waiting[-1].end
    outbox.delivered([end], model_id="m-1")
    outbox.close()
    with Journal(folder / "delivered") as journal:
        journal.append({"through": "all of it"})  # nothing that was written here
    with (folder / "delivered").open("ab") as file:
        file.write(b"00000000 {}\n")  # damaged
    found = last_progress(folder / "delivered")
    assert found == DeliveryProgress(through=end, model_id="m-1")
