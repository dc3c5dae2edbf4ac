"""`icl-mlflow import_published` answers bad input in a line."""

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ended


def test_a_path_that_is_not_there(icl: Callable[..., Ended], new_folder: Path) -> None:
    ended = icl("import-published", "nowhere")
    assert ended.code == 2
    assert ended.err == "Error: there is no file or folder nowhere\n"
    assert list(new_folder.iterdir()) == []


def test_an_unknown_experiment(icl: Callable[..., Ended], new_folder: Path) -> None:
    ended = icl("import_published", ".", "--published_experiment", "task_C_regular")
    assert ended.code == 2
    assert "they are called task_A_regular" in ended.err
    assert list(new_folder.iterdir()) == []


def test_nothing_that_can_be_imported(
    icl: Callable[..., Ended], new_folder: Path
) -> None:
    (new_folder / "a.pt").write_bytes(b"nothing")
    ended = icl("import_published", "a.pt")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "a.pt cannot be read as a published checkpoint" in ended.err
    assert "imported 0, there before 0, refused 1" in ended.out
