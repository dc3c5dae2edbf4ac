"""The notebooks were executed, name what there is, and run again."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import icl_mlflow as icl

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MOST_BYTES = 500_000
#: What takes minutes in a notebook, and its stand-in of a moment.
SMALLER = {
    '"efficient",': '"efficient", train_episodes=64, test_episodes=256,',
    "BAR = 0.01": "BAR = 9",
}


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_was_executed_from_top_to_bottom_without_an_error(notebook: Path) -> None:
    cells = cells_of(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert notebook.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_name_that_it_takes_of_the_index_is_there(notebook: Path) -> None:
    """What it imports is asked for by the test of the reference."""
    text = "\n".join("".join(cell["source"]) for cell in cells_of(notebook))
    taken = set(re.findall(r"\bicl\.(\w+)", text))
    assert {"train", "load_model", "analyze", "registered_models"} <= taken
    assert taken <= set(icl.__all__)
    ast.parse(text)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_tells_nothing_of_the_machine_that_executed_it(notebook: Path) -> None:
    assert not re.search(r"/(tmp|home|root|work)/", notebook.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_to_its_end_with_smaller_trainings(
    notebook: Path, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the extra dev is not installed")
    nbclient = pytest.importorskip("nbclient", reason="the extra dev is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    again = nbformat.read(notebook, as_version=4)
    for cell in again.cells:
        for long, short in SMALLER.items():
            cell.source = cell.source.replace(long, short)
    where = {"metadata": {"path": str(new_folder)}}
    nbclient.NotebookClient(again, timeout=600, resources=where).execute()
