"""Train the members of a suite in parallel processes, each a run below one parent."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from icl_mlflow.launch.member import Trained, train_member
from icl_mlflow.launch.processes import Outcome, run_in_processes, usable_cores
from icl_mlflow.tracking.run import end_children
from icl_mlflow.tracking.state import AUTO
from icl_mlflow.tracking.store import Store, connect_experiment
from icl_mlflow.tracking.sync import sync_all
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

#: Failed members that an error names.
_NAMED = 5

#: Seconds that a member waits before it starts for a store that is away.
_PATIENCE = 600.0


class MembersFailedError(RuntimeError):
    """Some members of a suite did not finish; the message names the first of them."""


@dataclass(frozen=True)
class _Piece:
    """What a worker process needs to train one member."""

    settings: TrainSettings
    tracking_uri: str
    experiment_id: str
    parent_run_id: str
    resume: str


def train_members(
    store: Store,
    members: Sequence[TrainSettings],
    parent_run_id: str,
    *,
    jobs: int = 0,
    resume: str = AUTO,
    on_epoch: Callable[[], None] = lambda: None,
) -> list[Outcome[Trained]]:
    """Train every member; what became of each, in order.

    A member whose process is killed is reported, its run marked KILLED at once, and the
    others go on.

    Args:
        store: where to track them.
        members: with ``threads=1``, or they compete for the cores.
        parent_run_id: the suite's run.
        jobs: members trained at once; 0 for one a usable core.
        resume: ``auto`` to go on with what an earlier call has left unfinished, or
            ``never``.
        on_epoch: called after every epoch of every member.
    """

    def note(index: int, outcome: Outcome[Trained]) -> None:
        if outcome.error:
            end_children(store, parent_run_id, members[index].identity)

    try:
        outcomes = run_in_processes(
            [
                _Piece(
                    m, store.tracking_uri, store.experiment_id, parent_run_id, resume
                )
                for m in members
            ],
            _train_piece,
            n_processes=jobs or usable_cores(),
            on_message=lambda _index, _epoch: on_epoch(),
            on_outcome=note,
        )
        # What a store could not take from members that ended while it was away.
        sync_all(outcome.value.run_id for outcome in outcomes if outcome.value)
        return outcomes
    finally:
        # A server may have opened a run for a process that had died by then.
        end_children(store, parent_run_id)


def raise_for_failures(
    members: Sequence[TrainSettings],
    outcomes: Sequence[Outcome[Trained]],
    parent_run_id: str,
) -> None:
    """Raise MembersFailedError if any member did not finish.

    It names the first few, and the parent run, where the results of the others are.
    """
    failures = [
        f"{member.run_name}: {outcome.error}"
        for member, outcome in zip(members, outcomes, strict=True)
        if outcome.error
    ]
    if failures:
        named = [*failures[:_NAMED], *(["..."] if len(failures) > _NAMED else [])]
        raise MembersFailedError(
            f"{len(failures)} of {len(members)} members failed: {'; '.join(named)}; "
            f"what the others gave is in run {parent_run_id}"
        )


def _train_piece(piece: _Piece, send: Callable[[Epoch], None]) -> Trained:
    """Train one member in a worker process, in the store that its parent has open."""
    os.environ["MLFLOW_TRACKING_URI"] = piece.tracking_uri
    return train_member(
        connect_experiment(piece.experiment_id, _PATIENCE),
        piece.settings,
        parent_run_id=piece.parent_run_id,
        resume=piece.resume,
        on_epoch=send,
    )
