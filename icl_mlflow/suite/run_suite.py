"""Train the members of a suite, each in a run below one parent, by whatever engine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from icl_mlflow.suite.axes import member_name
from icl_mlflow.suite.engines.choice import Arrangement, Group, arrange
from icl_mlflow.suite.engines.process_pool import Outcome, run_in_processes
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.suite.work_item import SuitePlace, WorkItem, train_piece
from icl_mlflow.tracking.outbox.sync import sync_all
from icl_mlflow.tracking.runs.lifecycle import end_children
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.uri import scheme_of
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

#: As long as nothing else is said.
_EXECUTION = Execution()

#: Failed members that an error names.
_NAMED = 5


class MembersFailedError(RuntimeError):
    """Some members of a suite did not finish; the message names the first of them."""


class MembersNotStoredError(MembersFailedError):
    """All that did not finish were stopped by a disk or by the tracking store."""


def train_members(
    store: Store,
    members: Sequence[TrainSettings],
    parent_run_id: str,
    *,
    execution: Execution = _EXECUTION,
    may_reuse: bool = False,
    axes: Sequence[str] = (),
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
) -> list[Outcome[TrainingResult]]:
    """Train every member; what became of each, in order.

    A member whose process is killed is reported, its run marked KILLED at once, and the
    others go on; on Ray it is trained again.

    Args:
        store: where to track them.
        members: all different; with ``threads=1``, or they compete for the cores.
        parent_run_id: the suite's run.
        execution: by which engine, how many at once, and what goes on.
        may_reuse: a member that another suite has finished by the time its turn comes
            is not trained again.
        axes: of the grid that they stand in; their runs are named by them.
        on_epoch: called with the name and every epoch of every member.

    Raises:
        ValueError: an engine that is not installed.
    """
    if not members:
        return []
    arrangement = arrange(
        members,
        engine=execution.engine,
        jobs=execution.jobs,
        ray_address=execution.ray_address,
    )
    # Ray keeps what it passes on; credentials are for the workers' environments.
    uri = store.place if arrangement.engine == "ray" else store.tracking_uri
    suite = SuitePlace(uri, store.experiment_id, parent_run_id)
    found: dict[TrainSettings, Outcome[TrainingResult]] = {}

    def note(piece: WorkItem, outcome: Outcome[list[Outcome[TrainingResult]]]) -> None:
        each = outcome.value or [Outcome(None, outcome.error)] * len(piece.members)
        found.update(zip(piece.members, each, strict=True))
        for member in piece.members:
            if found[member].error:
                end_children(store, parent_run_id, member.identity)

    try:
        with _engine(arrangement, store) as (groups, run):
            pieces = [
                WorkItem(group, suite, may_reuse, execution.resume, tuple(axes))
                for group in groups
            ]
            run(
                pieces,
                train_piece,
                on_message=lambda _index, said: on_epoch(*said),
                on_outcome=lambda index, outcome: note(pieces[index], outcome),
            )
        # What a store could not take from members that ended while it was away.
        sync_all(each.value.run_id for each in found.values() if each.value)
    finally:
        # A server may have opened a run for a process that had died by then.
        end_children(store, parent_run_id)
    return [found[member] for member in members]


def raise_for_failures(
    members: Sequence[TrainSettings],
    outcomes: Sequence[Outcome[TrainingResult]],
    parent_run_id: str,
    axes: Sequence[str] = (),
) -> None:
    """Raise MembersFailedError if any member did not finish.

    It is MembersNotStoredError if there is nothing to do but to make room and to run
    the same command again. It names the first few, and the parent run, where the
    results of the others are.
    """
    failed = [outcome for outcome in outcomes if outcome.error]
    failures = [
        f"{member_name(member, axes)}: {outcome.error}"
        for member, outcome in zip(members, outcomes, strict=True)
        if outcome.error
    ]
    if failures:
        of_storage = all(outcome.of_storage for outcome in failed)
        kind = MembersNotStoredError if of_storage else MembersFailedError
        named = [*failures[:_NAMED], *(["..."] if len(failures) > _NAMED else [])]
        raise kind(
            f"{len(failures)} of {len(members)} members failed: {'; '.join(named)}; "
            f"what the others gave is in run {parent_run_id}"
        )


@contextmanager
def _engine(
    arrangement: Arrangement, store: Store
) -> Iterator[tuple[Sequence[Group], Callable[..., list[Any]]]]:
    """The groups, and what trains them: called as `run_in_processes` is."""
    if arrangement.engine != "ray":
        run = partial(run_in_processes, n_processes=arrangement.at_once)
        yield arrangement.groups, run
        return
    # An optional extra, and slow to import.
    from icl_mlflow.suite.engines.ray_pool import cluster  # noqa: PLC0415

    with cluster(arrangement.ray_address) as connected:
        if connected.n_nodes > 1 and scheme_of(store.tracking_uri) == "sqlite":
            raise StoreError(
                f"{store.place} is a file of this machine, and the cluster has "
                f"{connected.n_nodes}; set MLFLOW_TRACKING_URI to a tracking server"
            )
        run = partial(connected.run, jobs=arrangement.at_once)
        yield connected.groups(arrangement.groups), run
