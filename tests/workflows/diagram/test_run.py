"""A diagram as a whole: it goes on where it was, and keeps what it found."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow import api
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.diagram.run import options_of, title_of, write_page
from icl_mlflow.workflows.diagram.settings import preset_settings
from tests.tiny import TRAINING

TINY: dict[str, Any] = {
    **{k: v for k, v in TRAINING.items() if k != "threads"},
    "epochs": 2,
    "quiet": True,
    "experiment": "tests",
    "episodes": 100,
    "jobs": 1,
}


@pytest.mark.slow  # a page of the documentation runs one diagram
def test_it_goes_on_where_it_was_and_logs_what_it_found(
    store: Store, new_folder: Path
) -> None:
    """With another pool, its member is trained, and it alone."""
    first = api.diagram([2, 8], [0], **TINY)
    trained: list[str] = []
    more = api.diagram(
        [2, 8, 32], [0], on_epoch=lambda name, _: trained.append(name), **TINY
    )
    assert set(trained) == {"A-baseline-pool32-seed0"}
    same = more.table[more.table["pool"] != 32].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, first.table)
    assert len(more.claims) == 4

    client = store.client
    kept = {f.path for f in client.list_artifacts(more.run_id)}
    assert {"diagram.md", "tables", "figures", "settings.json"} <= kept
    file = client.download_artifacts(more.run_id, "tables/diagram.csv")
    assert len(pd.read_csv(file)) == len(more.table) == 3 * 2 * 2
    assert client.get_run(more.run_id).data.params["pools"] == "2,8,32"

    page = new_folder / "out" / "diagram.md"
    write_page(more, page, title_of(preset_settings(None, {})))
    assert page.read_text().startswith("## Memorise or generalise?")
    assert {f.name for f in page.parent.iterdir()} == {
        *("diagram.md", "phase_diagram.png", "trajectories.png")
    }


def test_the_command_names_what_is_not_usual() -> None:
    usual = preset_settings(None, {})
    assert options_of(usual) == ""
    assert options_of(preset_settings(None, {"task": "B", "pool": 0})) == "--task B "
    smallest = preset_settings("smoke", {"tau": 1})
    assert options_of(smallest) == "--preset smoke --tau 1.0 "
