"""Ownership of runs: one process at a time has a run, on whatever machine.

The lock in a run's folder tells the processes of one machine apart. A folder that was
copied to another one brings no lock with it, so the run's heartbeat decides there.
"""

import datetime
import logging
import time

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.local.liveness import (
    BEAT,
    HEARTBEAT,
    Heartbeat,
    heartbeat,
    parse,
)
from icl_mlflow.tracking.store.retry import repeated

#: How long a process on another machine may be silent and still be thought alive.
SILENCE = datetime.timedelta(minutes=5)

#: Seconds to listen to a process that was heard of lately: a live one speaks meanwhile.
LISTENING = 2.5 * BEAT

#: Seconds between two questions while listening.
_GLANCE = 0.5

#: Seconds after which a run that was taken is looked at again: longer than another
#: machine takes between its own look and its taking.
_SETTLING = 1.0

_ENDED = {"FINISHED", "FAILED", "KILLED"}

_logger = logging.getLogger(__name__)

#: Processes that were listened to in vain, by their last sign then: one that had many
#: runs, as a stack has, is listened to once.
_silent: dict[tuple[str, str, int, str], datetime.datetime] = {}

#: How far apart the last signs of a process are on its runs.
_SAME_DEATH = datetime.timedelta(seconds=2 * BEAT)


def living_owner(client: MlflowClient, run: Run) -> Heartbeat | None:
    """The process that has a run now; None if its last one has died or let go of it.

    Of a process whose death cannot be seen from here, and that was heard of within
    minutes, a further sign of life is waited for, `LISTENING` seconds at most. The
    clocks of two machines need not agree for that.
    """
    beat = parse(run.data.tags.get(HEARTBEAT, ""))
    if run.info.status != "RUNNING" or beat is None:
        return None
    # Of itself a process knows by its locks what it has.
    if beat.is_dead(SILENCE) or beat.process == heartbeat().process:
        return None
    heard = _silent.get(beat.process)
    if heard is not None and abs(beat.given - heard) <= _SAME_DEATH:
        return None
    latest = _listen(client, run.info.run_id, beat)
    if latest is None:
        _silent[beat.process] = beat.given
    return latest


def _listen(client: MlflowClient, run_id: str, beat: Heartbeat) -> Heartbeat | None:
    _logger.warning(
        "run %s was being trained by process %d on %s %d s ago; "
        "waiting up to %.0f s to hear whether it still is ...",
        *(run_id, beat.pid, beat.host, max(0, beat.age().total_seconds())),
        LISTENING,
    )
    until = time.monotonic() + LISTENING
    while time.monotonic() < until:
        time.sleep(_GLANCE)
        run = repeated(lambda: client.get_run(run_id))
        if run.info.status != "RUNNING":
            return None
        latest = parse(run.data.tags.get(HEARTBEAT, ""))
        if latest is not None and latest != beat:
            return latest
    return None


def let_go(client: MlflowClient, run_id: str) -> None:
    """Remove the sign of life of a run that has ended, and that nobody has any more."""
    run = client.get_run(run_id)
    if run.info.status in _ENDED and HEARTBEAT in run.data.tags:
        client.delete_tag(run_id, HEARTBEAT)


def mark_ended(client: MlflowClient, run_id: str, status: str) -> None:
    """End a run whose own process does not: FINISHED, FAILED or KILLED."""
    client.set_terminated(run_id, status)
    let_go(client, run_id)


class Ownership:
    """A run that this process has, for as long as no other one takes it.

    Args:
        client: of the store.
        run_id: of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.run_id = run_id
        self._client = client
        self._before: Heartbeat | None = None
        self._first = self._last = heartbeat()

    def take(self, before: str, *, was_elsewhere: bool = False) -> None:
        """Take over a run whose last process has died or ended it.

        Of two machines that take it at the same time one gets it: each looks once more
        before it writes, and again when the other must have written.

        Args:
            before: the last sign of life of that process, as the tag has it; empty if
                it has ended the run.
            was_elsewhere: the run's folder here says that another machine had it.

        Raises:
            RunInUseError: another process was faster.
        """
        self._before = parse(before)
        # Whoever has ended the run may let go of it only now.
        self._check_sign(before, "")
        self._first = self._last = heartbeat()
        repeated(self._give_sign)
        was_here = not was_elsewhere if self._before is None else self._before.is_here
        if not was_here:
            time.sleep(_SETTLING)
            self._check_sign(self._last.text)

    def renew(self) -> None:
        """Give a sign of life.

        Raises:
            RunInUseError: another process has taken the run for dead, and goes on with
                it, or has ended it and taken our sign away.
        """
        run = self._client.get_run(self.run_id)
        sign = str(run.data.tags.get(HEARTBEAT, ""))
        other = parse(sign)
        if other is not None and self._is_anothers(other):
            raise _in_use(self.run_id, other)
        if not sign and run.info.status in _ENDED:
            raise RunInUseError(
                f"run {self.run_id} has been ended by another process "
                f"({run.info.status})"
            )
        self._last = heartbeat()
        self._give_sign()

    def _give_sign(self) -> None:
        self._client.set_tag(self.run_id, HEARTBEAT, self._last.text)

    def _is_anothers(self, beat: Heartbeat) -> bool:
        if beat.process == self._last.process:  # unless this very process was copied
            return beat.given > self._last.given
        # A store that was restored shows the signs of those who had the run before.
        is_earlier = beat.given < self._first.given - SILENCE
        before = self._before and self._before.process
        return beat.process != before and not is_earlier

    def _sign(self) -> str:
        tags = self._client.get_run(self.run_id).data.tags
        return str(tags.get(HEARTBEAT, ""))

    def _check_sign(self, *expected: str) -> None:
        found = repeated(self._sign)
        if found not in expected:
            raise _in_use(self.run_id, parse(found))


def _in_use(run_id: str, beat: Heartbeat | None) -> RunInUseError:
    who = f"process {beat.pid} on {beat.host}" if beat else "another process"
    return RunInUseError(f"run {run_id} is being trained by {who}; wait for its end")
