"""`icl-mlflow export RUN`: what MLflow holds of a training, as files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.tracking.store.connection import Store
from tests.tiny import OPTIONS

Icl = Callable[..., Any]
TABLES = ("history", "history_mean", "results", "results_mean", "paper")


READERS = {"csv": pd.read_csv, "parquet": pd.read_parquet}


@pytest.mark.parametrize("file_format", READERS)
def test_numbers_are_those_of_mlflow(
    icl: Icl,
    trained_store: Store,
    trained_runs: Any,
    new_folder: Path,
    file_format: str,
) -> None:
    folder = new_folder / "tables"
    ended = icl(
        *["export", trained_runs.baseline, "--format", file_format],
        *["--output", str(folder)],
    )
    assert ended.code == 0, ended.err
    files = [Path(line) for line in ended.out.splitlines()]
    assert files == [folder / f"{name}.{file_format}" for name in TABLES]
    history, history_mean, results, results_mean, paper = map(
        READERS[file_format], files
    )
    client = trained_store.client
    for seed, run_id in enumerate(trained_runs.baseline_seeds):
        curve = history[history["run_id"] == run_id]
        assert set(curve["seed"]) == {seed}
        logged = client.get_metric_history(run_id, "val/loss")
        assert list(curve["val/loss"]) == [point.value for point in logged]
    metrics = [
        client.get_run(run_id).data.metrics for run_id in trained_runs.baseline_seeds
    ]
    accuracies = [each["test/accuracy"] for each in metrics]
    assert list(results["test/accuracy"]) == accuracies
    (row,) = results_mean.to_dict("records")
    assert row["seeds"] == 2
    assert row["test/accuracy"] == pytest.approx(sum(accuracies) / 2)
    assert row["test/accuracy/low"] == min(accuracies)
    assert row["test/accuracy/high"] == max(accuracies)
    by_epoch = history.groupby("epoch")["val/loss"].mean()
    assert list(history_mean["val/loss"]) == pytest.approx(list(by_epoch))
    last = history.groupby("seed").tail(1)["val/accuracy"]
    half = 1.96 * last.std() / 2**0.5
    assert list(paper["val_accuracy"]) == [f"{last.mean():.4f} ± {half:.4f}"]


@pytest.mark.usefixtures("trained_store")
def test_papers_and_pages_get_means_with_their_intervals(
    icl: Icl, trained_runs: Any, new_folder: Path
) -> None:
    run_id = trained_runs.baseline
    for file_format in ("csv", "md", "latex"):
        ended = icl("export", run_id, "--format", file_format)
        assert ended.code == 0, ended.err
    folder = new_folder / f"export-{run_id}"
    (row,) = pd.read_csv(folder / "results_mean.csv").to_dict("records")
    ends = row["test/loss"], row["test/loss/low"], row["test/loss/high"]
    mean, low, high = (f"{value:.4f}" for value in ends)
    assert f"| {mean} [{low}, {high}] |" in (folder / "results_mean.md").read_text()
    text = (folder / "results_mean.tex").read_text()
    assert f" & {mean} [{low}, {high}] & " in text
    assert r"test/excess\_risk" in text


@pytest.mark.usefixtures("trained_store")
def test_a_single_run_has_no_interval(
    icl: Icl, trained_runs: Any, new_folder: Path
) -> None:
    run_id = trained_runs.task_b
    assert icl("export", run_id).code == 0
    table = pd.read_csv(new_folder / f"export-{run_id}" / "results_mean.csv")
    assert table["test/loss"].notna().all()
    assert table["test/loss/low"].isna().all()


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    icl: Icl, trained_store: Store, new_folder: Path
) -> None:
    client, experiment = trained_store.client, trained_store.experiment_id
    running = client.create_run(experiment).info.run_id
    other = client.create_run(experiment).info.run_id
    client.set_terminated(other)
    before = set(new_folder.iterdir())
    for arguments, message in (
        (["f00"], "there is no run 'f00'"),
        ([running], f"run {running} is still running"),
        ([other], f"run {other} is not a training run"),
        ([other, "--format", "xlsx"], "'xlsx' is not one of"),
    ):
        ended = icl("export", *arguments)
        assert ended.code == 2
        (line,) = ended.err.splitlines()
        assert line.startswith("Error: ")
        assert message in line
    assert set(new_folder.iterdir()) == before


def test_several_runs_are_joined_in_one_table(
    icl: Icl, trained_store: Store, trained_runs: Any, new_folder: Path
) -> None:
    """Parents, a single run, and the same run twice: every training once."""
    given = [trained_runs.baseline, trained_runs.no_labels, trained_runs.task_b]
    ended = icl("export", *given, trained_runs.baseline_seeds[0])
    assert ended.code == 0, ended.err
    folder = new_folder / f"export-{trained_runs.baseline}-and-3-more"
    results = pd.read_csv(folder / "results.csv")
    told = results[["task", "variant", "seed"]].values.tolist()
    assert told == [
        *(["A", "baseline", seed] for seed in (0, 1)),
        *(["A", "no_labels", seed] for seed in (0, 1)),
        ["B", "baseline", 0],
    ]
    assert list(results["model"])[-1] == "models:/icl-B-baseline/1"
    means = pd.read_csv(folder / "results_mean.csv")
    assert list(means["seeds"]) == [2, 2, 1]
    assert list(pd.read_csv(folder / "paper.csv")["n_seeds"]) == [2, 2, 1]
    whole = icl("export", "--experiment", trained_store.experiment_name)
    assert whole.code == 0, whole.err
    assert pd.read_csv("export-trained/results.csv").equals(results)


def test_runs_of_other_settings_share_no_mean(
    icl: Icl, trained_store: Store, trained_runs: Any, new_folder: Path
) -> None:
    tiny = [*OPTIONS, "--experiment", "trained", "--seeds", "0,1"]
    assert icl("train", *tiny, "--lr", "1e-3", "--jobs", "1").code == 0
    (parent,) = trained_store.client.search_runs(
        [trained_store.experiment_id], "tags.kind = 'suite'", max_results=1
    )
    assert icl("export", trained_runs.baseline, parent.info.run_id).code == 0
    folder = new_folder / f"export-{trained_runs.baseline}-and-1-more"
    means = pd.read_csv(folder / "results_mean.csv")
    assert sorted(means["settings"]) == ["lr=0.0003", "lr=0.001"]
    assert list(means["seeds"]) == [2, 2]
    # What `train --seeds` leaves on its parent is the paper's table too.
    ours = pd.read_csv(folder / "paper.csv").set_index("settings")
    file = trained_store.client.download_artifacts(
        parent.info.run_id, "tables/paper.csv", str(new_folder)
    )
    (row,) = pd.read_csv(file).to_dict("records")
    assert row["variant"] == "baseline"
    assert row["val_accuracy"] == ours.loc["lr=0.001", "val_accuracy"]


@pytest.mark.usefixtures("trained_store")
def test_figures_are_written_in_place_of_tables(
    icl: Icl, trained_runs: Any, new_folder: Path
) -> None:
    run_id = trained_runs.task_b
    ended = icl("export", run_id, "--figures", "pdf")
    assert ended.code == 0, ended.err
    files = [Path(line) for line in ended.out.splitlines()]
    assert {file.parent for file in files} == {Path(f"export-{run_id}")}
    assert {file.name for file in files} == {
        *("learning_curves.pdf", "logit_vs_llr.pdf", "reliability.pdf"),
        "captions.md",
    }
    assert all((new_folder / file).stat().st_size for file in files)
    whole = icl("export", "--experiment", "trained", "--figures", "svg")
    assert whole.code == 0, whole.err
    assert len(list((new_folder / "export-trained").iterdir())) == 5
    both = icl("export", run_id, "--figures", "pdf", "--format", "md")
    assert (both.code, len(both.err.splitlines())) == (2, 1)
    assert "give --format for tables or --figures, not both" in both.err


@pytest.mark.usefixtures("trained_store")
def test_an_experiment_that_is_not_there_is_refused(icl: Icl) -> None:
    for arguments, message in (
        ([], "give the id of a run, several of them, or an experiment"),
        (["--experiment", "traind"], "no experiment 'traind'; there are: "),
        (["--experiment", "Default"], "no training has finished in experiment"),
    ):
        ended = icl("export", *arguments)
        assert ended.code == 2
        (line,) = ended.err.splitlines()
        assert message in line
