"""The checkpoints that the runs of a stack share: where they are, and until when."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from icl_mlflow.tracking.local.claims import has_checkpoints
from icl_mlflow.tracking.local.stack_state import (
    forget_stack,
    name_stack,
    new_stack,
    stack_folder,
    stack_of,
)
from icl_mlflow.training.stacked.checkpoint import Keeping


@contextmanager
def stack_checkpoints(run_ids: Sequence[str]) -> Iterator[Keeping]:
    """Yield the folders for the checkpoints of a stack of runs that we have claimed.

    Until the stack has a checkpoint of its own, its runs name the one that they come
    from, so that a death in between costs nothing.
    """
    before = {stack_of(run_id) for run_id in run_ids}
    (source,) = before if len(before) == 1 else (None,)
    stack_id = new_stack()
    named: set[str] = set()

    def name() -> None:
        if named:
            return
        for run_id in run_ids:
            if has_checkpoints(run_id):  # unless it has diverged by then
                name_stack(run_id, stack_id)
            named.add(run_id)
        if source is not None:
            forget_stack(source)

    try:
        yield Keeping(
            folder=stack_folder(stack_id),
            source=stack_folder(source) if source else None,
            on_kept=name,
        )
    finally:
        forget_stack(stack_id)
