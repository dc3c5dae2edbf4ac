"""Whatever the console, whoever has written what is shown: success stays success."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.escaping import for_latex, for_markdown
from icl_mlflow.tracking.store.connection import Store
from tests.cli.store.test_reap import dead_run

__all__ = ["dead_run"]

Icl = Callable[..., Any]

HOSTILE = "a\x1b[2J\u202e\n\\_$x${}%&#~^<script>alert(1)</script>](http://evil)|`*"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "icl_mlflow.cli.main", *arguments]


def renamed(store: Store, run_id: str, name: str = HOSTILE) -> None:
    store.client.update_run(run_id, name=name)


def test_names_of_others_are_no_commands_to_the_terminal(
    store: Store, icl: Icl, dead_run: str
) -> None:
    renamed(store, dead_run)
    first, second = icl("reap").out.splitlines()
    assert first.startswith(f"{dead_run}  a\\x1b[2J\\u202e\\n")
    assert first.isprintable()
    assert second.startswith("nothing was changed")


def test_a_comparison_with_hostile_names_is_shown_and_kept_as_text(
    trained_store: Store, icl: Icl, trained_runs: Any
) -> None:
    for run_id in (trained_runs.baseline, trained_runs.no_labels):
        renamed(trained_store, run_id)
    ended = icl("compare", trained_runs.baseline, trained_runs.no_labels)
    assert ended.code == 0, ended.err
    assert all(line.isprintable() for line in ended.out.splitlines())
    run_id = next(
        line.split()[1] for line in ended.out.splitlines() if line.startswith("run ")
    )
    note = trained_store.client.get_run(run_id).data.tags["mlflow.note.content"]
    assert "<script>" not in note
    assert not re.search(r"(?<!\\)\]\(http://evil\)", note)
    assert f"`{trained_runs.baseline}`" in note


def test_an_analysis_of_a_hostile_name_says_it_as_text(
    trained_store: Store, icl: Icl, trained_runs: Any
) -> None:
    renamed(trained_store, trained_runs.baseline)
    ended = icl(
        *["analyze", "--run_id", trained_runs.baseline],
        *["--analyses", "calibration", "--episodes", "100"],
    )
    assert ended.code == 0, ended.err
    run_id = next(
        line.split()[1] for line in ended.out.splitlines() if line.startswith("run ")
    )
    client = trained_store.client
    note = client.get_run(run_id).data.tags["mlflow.note.content"]
    assert "<script>" not in note
    assert not re.search(r"(?<!\\)\]\(http://evil\)", note)
    page = client.download_artifacts(run_id, "report.html")
    assert "<script" not in Path(page).read_text()


def test_exported_files_hold_no_formulas_macros_or_html(
    trained_store: Store, icl: Icl, trained_runs: Any, new_folder: Path
) -> None:
    run_id = trained_runs.task_b
    hostile = '=HYPERLINK("http://evil")\\input{x}$^~<b>'
    trained_store.client.set_tag(run_id, "variant", hostile)
    for file_format in ("csv", "latex", "md"):
        assert icl("export", run_id, "--format", file_format).code == 0
    folder = new_folder / f"export-{run_id}"
    for name in ("history", "history_mean", "results", "results_mean"):
        cells = set(pd.read_csv(folder / f"{name}.csv")["variant"])
        assert cells == {f"'{hostile}"}
        assert for_latex(hostile) in (folder / f"{name}.tex").read_text()
        assert for_markdown(hostile) in (folder / f"{name}.md").read_text()
        assert "<b>" not in (folder / f"{name}.md").read_text()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_console_without_the_signs_shows_escapes(
    trained_store: Store, trained_runs: Any, new_folder: Path, encoding: str
) -> None:
    del trained_store
    target = new_folder / "中文 ±"
    done = subprocess.run(
        command("export", trained_runs.task_b, "--output", str(target)),
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    expected = [f"{target}/{name}.csv" for name in ("history", "history_mean")]
    shown = done.stdout.decode(encoding).splitlines()[:2]
    errors = "backslashreplace"
    assert shown == [p.encode(encoding, errors).decode(encoding) for p in expected]


def test_an_error_is_shown_on_such_a_console_too(new_folder: Path) -> None:
    (new_folder / "中文").mkdir()
    done = subprocess.run(
        command("sync", "中文/no"),
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.decode("ascii").splitlines()
    assert "\\u4e2d\\u6587/no" in line


def closed_pipe() -> int:
    """The end to write to of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_reader_who_has_gone_keeps_no_work_from_being_done(
    store: Store, dead_run: str
) -> None:
    pipe = closed_pipe()
    done = subprocess.run(
        command("reap", "--yes"), stdout=pipe, stderr=subprocess.PIPE, check=False
    )
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, b"")
    assert store.client.get_run(dead_run).info.status == "KILLED"


@pytest.mark.usefixtures("new_folder")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["ablate", "--list"], 0), (["--help"], 0), (["train", "--task", "Z"], 2)],
)
def test_with_all_readers_gone_the_exit_code_is_the_same(
    arguments: list[str], code: int
) -> None:
    pipe = closed_pipe()
    done = subprocess.run(command(*arguments), stdout=pipe, stderr=pipe, check=False)
    os.close(pipe)
    assert done.returncode == code
