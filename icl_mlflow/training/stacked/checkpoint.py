"""What is kept of a stack under way: one file for all of its members, every epoch.

Members are found in it by their identities, so that some of them can go on without the
others: those that had finished, or are trained elsewhere by then.

Shape suffixes: R = models of the stack, P = entries of a model's row (`Packing`).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from icl_mlflow.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    DamagedCheckpointError,
)
from icl_mlflow.training.member_state import MISREAD, Epoch, epochs_of

#: What is kept of every model: its weights, AdamW's two means, and the best weights.
PARTS = ("weights", "mean", "square", "best")


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where a stack keeps its checkpoints.

    Attributes:
        folder: for new ones.
        source: with those of the stack that its members were part of before; None for
            members that begin anew.
        on_kept: called after every checkpoint that has been written to ``folder``.
    """

    folder: Path
    source: Path | None = None
    on_kept: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class StackState:
    """A stack after a number of epochs.

    Attributes:
        step: how many steps had been taken.
        parts: `PARTS` by name, each (R, P), on the CPU.
        histories: the finished epochs of every member.
    """

    step: int
    parts: Mapping[str, Tensor]
    histories: tuple[tuple[Epoch, ...], ...]


class Keeper:
    """Writes a stack's checkpoints in a thread, one at a time, while it trains on.

    Args:
        keeping: where; None for nowhere.

    Attributes:
        source: those of the stack that the members were part of before.
    """

    def __init__(self, keeping: Keeping | None) -> None:
        self._keeping = keeping
        self.source = None if keeping is None else keeping.source
        if keeping is not None:
            self._checkpoints = Checkpoints(keeping.folder, keeping.folder.name)
        self._thread = ThreadPoolExecutor(1, "icl-mlflow-checkpoint")
        self._written: Future[None] | None = None
        self._then: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def keep(
        self,
        identities: Sequence[str],
        state: StackState,
        then: Callable[[], None],
    ) -> None:
        """Begin to keep the state of these members, once the last one is kept.

        Args:
            identities: of the members.
            state: which nobody changes from now on.
            then: called by `look` or `wait` once it is kept.
        """
        self.wait()
        if self._keeping is None:
            then()
            return
        self._then = then
        checkpoint = packed(identities, state)
        self._written = self._thread.submit(self._checkpoints.write, checkpoint)

    def look(self) -> None:
        """See whether the state is kept by now.

        Raises:
            CheckpointNotWrittenError: the disk is full.
        """
        if self._written is not None and self._written.done():
            self.wait()

    def wait(self) -> None:
        """Wait until it is.

        Raises:
            CheckpointNotWrittenError: the disk is full.
        """
        if self._written is None or self._keeping is None:
            return
        written, self._written = self._written, None
        written.result()
        self._keeping.on_kept()
        self._then()


def packed(identities: Sequence[str], state: StackState) -> Checkpoint:
    """A stack's state, to be written."""
    histories = [[epoch.metrics for epoch in each] for each in state.histories]
    facts = {"members": list(identities), "histories": histories}
    return Checkpoint(step=state.step, tensors=state.parts, facts=facts)


def newest(
    source: Path, identities: Sequence[str], n_entries: int, epoch_steps: int
) -> StackState | None:
    """The newest state of these members that is whole, or None.

    Args:
        source: the folder of the stack that they were part of.
        identities: of the members, in the order that is wanted.
        n_entries: P.
        epoch_steps: of an epoch.
    """

    def use(kept: Checkpoint) -> StackState:
        try:
            return _state(kept, identities, n_entries, epoch_steps)
        except MISREAD as error:
            raise DamagedCheckpointError("it is not of such a stack") from error

    return Checkpoints(source, source.name).newest(use)


def _state(
    kept: Checkpoint, identities: Sequence[str], n_entries: int, epoch_steps: int
) -> StackState:
    members: list[Any] = kept.facts["members"]
    rows = [members.index(identity) for identity in identities]
    parts = {}
    for name in PARTS:
        part_RP = kept.tensors[name]
        if (
            part_RP.shape != (len(members), n_entries)
            or not part_RP.is_floating_point()
        ):
            raise DamagedCheckpointError(f"{name} has another shape or type")
        parts[name] = part_RP[torch.tensor(rows)]
    histories = tuple(tuple(epochs_of(kept.facts["histories"][row])) for row in rows)
    if {len(history) * epoch_steps for history in histories} != {kept.step}:
        raise DamagedCheckpointError(f"it is not of step {kept.step}")
    return StackState(step=kept.step, parts=parts, histories=histories)
