"""A run's local state: where it is, who has it, and when it goes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import (
    RunInUseError,
    begin_checkpoints,
    claimed,
    end_checkpoints,
    forget,
    has_checkpoints,
    is_claimed,
    local_runs,
    state_folder,
)

RUN = "0123456789abcdef0123456789abcdef"

HOLDER = f"""
import sys
from icl_mlflow.tracking.local.claims import claimed
with claimed("{RUN}"):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_it_lies_beside_the_embedded_database(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_folder(RUN) == new_folder / ".icl_mlflow/runs" / RUN
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////data/mlflow.db")
    assert state_folder(RUN) == Path("/data/.icl_mlflow/runs", RUN)
    monkeypatch.setenv("ICL_MLFLOW_STATE", "elsewhere")
    assert state_folder(RUN) == new_folder / "elsewhere/runs" / RUN
    assert list(new_folder.iterdir()) == []  # asking makes nothing


def test_what_lies_with_the_users_things_is_closed_to_others(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(new_folder / "state"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    before = os.umask(0)
    try:
        with claimed(RUN):
            begin_checkpoints(RUN)
            mode = (new_folder / "state" / "icl-mlflow").stat().st_mode
    finally:
        os.umask(before)
    assert stat.S_IMODE(mode) == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "/etc", "a/b", "a\n", "é"])
def test_what_is_no_run_id_leads_nowhere(name: str) -> None:
    with pytest.raises(ValueError, match="is not a run id"):
        state_folder(name)


def test_only_one_process_has_a_run_and_its_death_sets_it_free(
    new_folder: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=new_folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        assert is_claimed(RUN)
        with (
            pytest.raises(RunInUseError, match=f"by process {holder.pid} on "),
            claimed(RUN),
        ):
            pass
        holder.kill()
    assert not is_claimed(RUN)
    with claimed(RUN):
        assert is_claimed(RUN)
    assert not is_claimed(RUN)


def test_a_run_of_which_nothing_is_kept_leaves_no_folder(new_folder: Path) -> None:
    with claimed(RUN):
        begin_checkpoints(RUN)
        forget(RUN)
    assert local_runs() == [RUN]
    assert has_checkpoints(RUN)
    end_checkpoints(RUN)
    assert local_runs() == []
    assert not has_checkpoints(RUN)
    assert list(new_folder.iterdir()) == []


def test_what_waits_for_delivery_is_kept(new_folder: Path) -> None:
    del new_folder
    with claimed(RUN) as folder:
        begin_checkpoints(RUN)
        (folder / "journal").mkdir()
    end_checkpoints(RUN)
    assert not has_checkpoints(RUN)
    assert (folder / "journal").is_dir()
