"""What `sync` and `reap` advise works as it stands, from where it was said."""

import shlex
from pathlib import Path

import pytest

from tests.faults.trainings import (
    SMALL,
    Outcome,
    Workplace,
    kill,
    outcome,
    wait_for_checkpoints,
)


def follow(work: Workplace, line: str) -> None:
    """Do what a line puts into backticks before ``goes on with it``."""
    said = line.split("` goes on with it", maxsplit=1)[0].rpartition("`")[2]
    words = shlex.split(said)
    command = words.index("icl-mlflow")
    variables = dict(word.split("=", 1) for word in words[:command])
    work.finish(*words[command + 1 :], environment=variables)


def test_a_command_that_sync_names_works_from_another_folder(
    work: Workplace, straight: Outcome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (run,) = work.runs()
    elsewhere = Workplace(tmp_path_factory.mktemp("elsewhere"), work.store)
    nothing = {"MLFLOW_TRACKING_URI": ""}
    elsewhere.finish("sync", str(work.folder), environment=nothing)
    line = (elsewhere.folder / "out").read_text().splitlines()[-1]
    variables = (
        f"MLFLOW_TRACKING_URI={work.store.tracking_uri} "
        f"ICL_MLFLOW_STATE={work.folder / '.icl_mlflow'}"
    )
    assert f"did not end: `{variables} icl-mlflow reap` marks it; " in line
    follow(elsewhere, line)
    finished = work.store.client.get_run(run.info.run_id)
    assert finished.info.status == "FINISHED"
    assert outcome(work, finished) == straight


def test_nothing_is_advised_for_a_run_that_cannot_go_on(work: Workplace) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (run,) = work.runs()
    state = work.folder / ".icl_mlflow" / "runs" / run.info.run_id
    for file in (state / "checkpoints").iterdir():
        file.unlink()
    (state / "checkpoints").rmdir()
    work.finish("sync")
    (line,) = said(work.folder)[-1:]
    assert line == f"run {run.info.run_id} did not end: `icl-mlflow reap` marks it"
    work.finish("reap")
    assert not [line for line in said(work.folder) if "goes on with" in line]


def said(folder: Path) -> list[str]:
    return (folder / "out").read_text().splitlines()
