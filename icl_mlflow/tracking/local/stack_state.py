"""The checkpoints of stacks on this machine: one folder a stack, for all of its runs.

``ROOT/stacks/STACK_ID`` holds them, beside ROOT/runs; the folder of each run that is
trained in the stack names it, before there is anything in it. A stack that no run names
is not needed.
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
    """The id of the stack that a run is resumed from; None if there is none.

    All runs of a stack change to it in the one moment in which its first checkpoint is
    there.
    """
    file = state_folder(run_id) / CHECKPOINTS / _NAMED
    try:
        content = json_of(content_of(file, LONGEST_JSON))
        named = [content[key] for key in ("stack", "source")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for name in named:
        is_id = isinstance(name, str) and _STACK_ID.fullmatch(name)
        if is_id and any(stack_folder(name).glob("step-*")):
            return str(name)
    return None


def trained_alone(run_id: str) -> bool:
    """Whether a run has checkpoints of its own, which a stack cannot go on from."""
    return any((state_folder(run_id) / CHECKPOINTS).glob("step-*"))


def name_stack(run_id: str, stack_id: str) -> None:
    """Write down that a run is resumed from this stack once it has a checkpoint.

    Until then the run is resumed from where it is now.
    """
    folder = state_folder(run_id) / CHECKPOINTS
    content = {"stack": stack_id, "source": stack_of(run_id)}
    write_file(folder / _NAMED, json.dumps(content).encode())


def forget_stacks() -> None:
    """Remove the checkpoints of stacks from which no run here goes on."""
    stacks = runs_folder().parent / _STACKS
    # In this order, since a stack is named before it is there.
    found = list(stacks.iterdir()) if stacks.is_dir() else []
    named = {stack_of(run_id) for run_id in local_runs()}
    for folder in found:
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (stacks, stacks.parent):
        with contextlib.suppress(OSError):  # it is not empty, or already gone
            folder.rmdir()
