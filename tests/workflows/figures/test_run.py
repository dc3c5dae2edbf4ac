"""Figures of runs are files: one each, below a folder a run where there are several."""

from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.figures.run import write_figures
from tests.conftest import TrainedRuns

OF_A_TRAINING = {"learning_curves", "logit_vs_llr", "reliability"}


@pytest.mark.parametrize(
    ("ending", "begins"), [("pdf", b"%PDF-"), ("svg", b"<?xml version")]
)
def test_every_figure_of_a_run_is_a_file_of_vector_graphics(
    trained_store: Store,
    trained_runs: TrainedRuns,
    tmp_path: Path,
    ending: str,
    begins: bytes,
) -> None:
    del trained_store
    told: list[Path] = []
    write_figures(
        [trained_runs.task_b], None, tmp_path / "new" / "folder", ending, told.append
    )
    *figures, captions = told
    assert {file.stem for file in figures} == OF_A_TRAINING
    assert captions.name == "captions.md"
    assert "64 validation episodes" in captions.read_text()
    assert {file.suffix for file in figures} == {f".{ending}"}
    for file in figures:
        content = file.read_bytes()
        assert content.startswith(begins)
        assert b"Type3" not in content


def test_several_runs_have_a_folder_each_and_one_has_none(
    trained_store: Store, trained_runs: TrainedRuns, tmp_path: Path
) -> None:
    del trained_store
    given = [*trained_runs.baseline_seeds, trained_runs.baseline_seeds[0]]
    write_figures(given, None, tmp_path / "two", "svg")
    folders = {f"A-baseline-seed{i}-{run[:8]}" for i, run in enumerate(given[:2])}
    assert {folder.name for folder in (tmp_path / "two").iterdir()} == folders
    for folder in (tmp_path / "two").iterdir():
        assert {file.stem for file in folder.glob("*.svg")} == OF_A_TRAINING
    write_figures(given[:1], None, tmp_path / "one", "svg")
    assert {file.stem for file in (tmp_path / "one").glob("*.svg")} == OF_A_TRAINING


def test_what_has_no_figures_is_refused_before_anything_is_written(
    trained_store: Store, trained_runs: TrainedRuns, tmp_path: Path
) -> None:
    client, experiment = trained_store.client, trained_store.experiment_id
    other = client.create_run(experiment).info.run_id
    client.set_terminated(other)
    for given, message in (
        ([trained_runs.task_b, other], f"run {other} has no figures; give the id of"),
        ([trained_runs.task_b, "f00"], "there is no run 'f00'"),
        ([], "give the id of a run, several of them, or an experiment"),
    ):
        with pytest.raises(ValueError, match=message):
            write_figures(given, None, tmp_path / "new", "pdf")
    assert not (tmp_path / "new").exists()
