"""`icl-mlflow compile` lists what there is, and answers a wrong name with it."""

from collections.abc import Callable
from pathlib import Path

from icl_mlflow.compiled import CIRCUITS
from tests.cli.conftest import Ended


def test_the_list_says_what_each_computes(
    icl: Callable[..., Ended], new_folder: Path
) -> None:
    ended = icl("compile", "--list")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == list(CIRCUITS)
    assert "Which class mean is nearer to the query." in ended.out
    assert list(new_folder.iterdir()) == []


def test_an_unknown_circuit(icl: Callable[..., Ended], new_folder: Path) -> None:
    ended = icl("compile", "decoys")
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert "unknown circuit 'decoys'; did you mean decoy_heads?" in line
    assert line.endswith(", ".join(CIRCUITS))
    assert list(new_folder.iterdir()) == []
