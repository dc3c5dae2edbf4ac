"""The checkpoints that the runs of a stack share: where they are, and until when."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from icl_mlflow.tracking.local.claims import has_checkpoints
from icl_mlflow.tracking.local.stack_state import (
    forget_stacks,
    name_stack,
    new_stack,
    stack_folder,
    stack_of,
)
from icl_mlflow.training.stacked.checkpoint import Keeping


@contextmanager
def stack_checkpoints(run_ids: Sequence[str]) -> Iterator[Keeping]:
    """Yield the folders for the checkpoints of a stack of runs that we have claimed.

    Until the stack has a checkpoint of its own, its runs go on from those of the stack
    that they come from, so that a death in between costs nothing.
    """
    before = {stack_of(run_id) for run_id in run_ids}
    (source,) = before if len(before) == 1 else (None,)
    stack_id = new_stack()
    for run_id in run_ids:
        if has_checkpoints(run_id):
            name_stack(run_id, stack_id)
    kept: list[str] = []

    def keep() -> None:
        if not kept:  # the first one takes the place of those of the source
            forget_stacks()
            kept.append(stack_id)

    try:
        yield Keeping(
            folder=stack_folder(stack_id),
            source=stack_folder(source) if source else None,
            on_kept=keep,
        )
    finally:
        forget_stacks()
