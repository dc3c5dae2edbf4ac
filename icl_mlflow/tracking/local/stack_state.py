"""The checkpoints of stacks on this machine: one folder a stack, for all of its runs.

``ROOT/stacks/STACK_ID`` holds them, beside ROOT/runs; the folder of each run that is
trained in the stack names it. A stack that no run names any more is not needed.
"""

import contextlib
import json
import re
import shutil
import uuid
from pathlib import Path

from icl_mlflow.files import write_file
from icl_mlflow.tracking.local.claims import (
    CHECKPOINTS,
    local_runs,
    runs_folder,
    state_folder,
)
from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, content_of, json_of

_STACKS, _NAMED = "stacks", "stack.json"
_STACK_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_stack() -> str:
    """The id of a stack that is about to begin."""
    return uuid.uuid4().hex


def stack_folder(stack_id: str) -> Path:
    """Where a stack's checkpoints are, or will be."""
    return runs_folder().parent / _STACKS / stack_id


def stack_of(run_id: str) -> str | None:
    """The id of the stack that a run is resumed from; None if it was in none."""
    file = state_folder(run_id) / CHECKPOINTS / _NAMED
    try:
        named = json_of(content_of(file, LONGEST_JSON))["stack"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_id = isinstance(named, str) and _STACK_ID.fullmatch(named)
    return named if is_id else None


def trained_alone(run_id: str) -> bool:
    """Whether a run has checkpoints of its own, which a stack cannot go on from."""
    return any((state_folder(run_id) / CHECKPOINTS).glob("step-*"))


def name_stack(run_id: str, stack_id: str) -> None:
    """Write down that a run is resumed from the checkpoints of this stack."""
    folder = state_folder(run_id) / CHECKPOINTS
    write_file(folder / _NAMED, json.dumps({"stack": stack_id}).encode())


def forget_stack(stack_id: str) -> None:
    """Remove the checkpoints of a stack that no run here names any more."""
    runs = local_runs()
    if stack_id not in {stack_of(run_id) for run_id in runs}:
        shutil.rmtree(stack_folder(stack_id), ignore_errors=True)
    stacks = stack_folder(stack_id).parent
    if not runs:  # nor can what a death has left there be named any more
        shutil.rmtree(stacks, ignore_errors=True)
    for folder in (stacks, stacks.parent):
        with contextlib.suppress(OSError):  # it is not empty, or already gone
            folder.rmdir()
