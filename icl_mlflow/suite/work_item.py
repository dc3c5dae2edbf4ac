"""Work items of a suite: a worker trains a group of members, wherever it runs.

Everything a worker needs comes with the piece but credentials, which it finds in its
own environment. A piece may be done again after its worker has died: what has finished
by then is not trained a second time, and a run that was left open is ended.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from icl_mlflow.suite.axes import member_name
from icl_mlflow.suite.engines.process_pool import Outcome
from icl_mlflow.suite.engines.stack import train_stack
from icl_mlflow.suite.finished import finished_before
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.local.stack_state import stack_of, trained_alone
from icl_mlflow.tracking.runs.lifecycle import end_children
from icl_mlflow.tracking.runs.resume import run_to_resume
from icl_mlflow.tracking.store.connection import Store, connect_experiment
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.uri import shown
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

_URI = "MLFLOW_TRACKING_URI"

#: The name of a member's run, and an epoch of it.
NamedEpoch = tuple[str, Epoch]

#: Seconds that a worker waits before it starts for a store that is away.
_PATIENCE = 600.0

#: The fewest members that are trained as a stack.
_STACK = 2


@dataclass(frozen=True)
class SuitePlace:
    """Where a suite is tracked.

    Attributes:
        tracking_uri: of the store; may lack the credentials.
        experiment_id: in the store.
        parent_run_id: the suite's run.
    """

    tracking_uri: str
    experiment_id: str
    parent_run_id: str


@dataclass(frozen=True)
class WorkItem:
    """What a worker needs to train a group of members.

    Attributes:
        members: one, or several that can be stacked.
        suite: where the runs belong.
        may_reuse: a run that another suite has finished counts too.
        resume: ``auto`` to resume what was left unfinished, or ``never``.
        axes: of the grid that the members stand in; their runs are named by them.
    """

    members: tuple[TrainSettings, ...]
    suite: SuitePlace
    may_reuse: bool
    resume: str
    axes: tuple[str, ...] = ()


@quiet_mlflow()
def train_piece(
    piece: WorkItem, send: Callable[[NamedEpoch], None]
) -> list[Outcome[TrainingResult]]:
    """Train a group in a worker; what became of each member, in order.

    Args:
        piece: the group.
        send: called with every finished epoch of every member, and its run's name.
    """
    store = _store(piece.suite)
    parent_run_id = piece.suite.parent_run_id
    below = None if piece.may_reuse else parent_run_id
    outcomes: dict[TrainSettings, Outcome[TrainingResult]] = {}
    for member in piece.members:
        before = repeated(partial(finished_before, store, member, below))
        if before is not None:
            outcomes[member] = Outcome(before)
        else:
            end_children(store, parent_run_id, member.identity)
    missing = [member for member in piece.members if member not in outcomes]
    for group in _groups(store, missing, piece.resume):
        if len(group) == 1:
            outcomes[group[0]] = _train_one(store, group[0], piece, send)
            continue
        found = train_stack(
            store,
            group,
            parent_run_id=parent_run_id,
            names=[member_name(member, piece.axes) for member in group],
            resume=piece.resume,
            on_epoch=lambda name, epoch: send((name, epoch)),
        )
        outcomes |= zip(group, found, strict=True)
    return [outcomes[member] for member in piece.members]


def _groups(
    store: Store, members: Sequence[TrainSettings], resume: str
) -> list[list[TrainSettings]]:
    """Members that go on together: those of one stack, and those that begin anew.

    One that was trained alone before goes on alone.
    """
    if len(members) < _STACK:
        return [[member] for member in members]
    together: dict[str | None, list[TrainSettings]] = {}
    alone = []
    for member in members:
        earlier = repeated(partial(run_to_resume, store, member.identity, resume))
        if earlier and trained_alone(earlier.run_id):
            alone.append([member])
            continue
        stack = stack_of(earlier.run_id) if earlier else None
        together.setdefault(stack, []).append(member)
    return [*together.values(), *alone]


def _store(suite: SuitePlace) -> Store:
    """The suite's store; with the credentials of our environment, if it has any."""
    if shown(os.environ.get(_URI, "")) != suite.tracking_uri:
        os.environ[_URI] = suite.tracking_uri
    return connect_experiment(suite.experiment_id, _PATIENCE)


def _train_one(
    store: Store,
    settings: TrainSettings,
    piece: WorkItem,
    send: Callable[[NamedEpoch], None],
) -> Outcome[TrainingResult]:
    name = member_name(settings, piece.axes)
    try:
        trained = train_member(
            store,
            settings,
            name=name,
            parent_run_id=piece.suite.parent_run_id,
            resume=piece.resume,
            on_epoch=lambda epoch: send((name, epoch)),
        )
    except Exception as error:  # noqa: BLE001 (whatever it is, the suite reports it)
        return Outcome.failed(error)
    return Outcome(trained)
