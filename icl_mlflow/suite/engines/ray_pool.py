"""Do pieces of work as tasks of a Ray cluster: one on this machine, or one that runs.

A worker that dies costs its piece an attempt, not its life: Ray starts the piece again
elsewhere, and the piece sees to it that nothing is done twice. Needs the extra ``ray``.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
import torch
from ray.exceptions import RayError
from ray.util.queue import Empty, Queue

from icl_mlflow.suite.engines.choice import STACKS_AT_ONCE, Group, in_stacks
from icl_mlflow.suite.engines.errors import EngineNotStartedError, first_line
from icl_mlflow.suite.engines.process_pool import Outcome, Work, usable_cores
from icl_mlflow.training.stacked.planning import free_bytes

W = TypeVar("W")
R = TypeVar("R")

#: Further attempts at a piece whose worker has died.
_RETRIES = 3
#: Seconds between two looks at what workers say.
_GLANCE = 0.2
#: Seconds that tasks get to wind up when the driver is interrupted.
_GRACE = 15.0
#: Pieces handed to Ray at a time: enough to ask for more machines where they come on
#: demand, and not the hundred thousand that a suite may have.
_HANDED_OUT = 1_000
#: Results are small; by default Ray would claim a third of the memory for them.
_OBJECT_STORE = 256 << 20


@contextmanager
def cluster(address: str | None) -> Iterator["Cluster"]:
    """Connect to a cluster, or start one on this machine for as long as it is needed.

    Args:
        address: as `ray.init` takes it; None starts one.

    Raises:
        EngineNotStartedError: Ray says why not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local: dict[str, Any] = {
        "num_cpus": usable_cores(),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE,
    }
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else local),
        )
    except Exception as error:  # whatever it is, Ray is not there
        place = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise EngineNotStartedError(
            f"{place} does not start: {first_line(error)}"
        ) from error
    try:
        yield Cluster()
    finally:
        ray.shutdown()


class Cluster:
    """The cluster that this process is connected to."""

    def __init__(self) -> None:
        self._gpus = int(ray.cluster_resources().get("GPU", 0))
        # A share of a GPU is a task's where there are any: the other tasks compute
        # while this one logs.
        gpu_share = 1 / STACKS_AT_ONCE if self._gpus else 0
        self._of_task = {"num_cpus": 1, "num_gpus": gpu_share}

    @property
    def n_nodes(self) -> int:
        """Machines in the cluster."""
        return sum(node["Alive"] for node in ray.nodes())

    def groups(self, groups: Sequence[Group]) -> Sequence[Group]:
        """The same members, in stacks where there are GPUs to train them on."""
        members = [member for group in groups for member in group]
        if not members or not self._gpus:
            return groups
        measure = ray.remote(**self._of_task)(_free_bytes)
        share = ray.get(measure.remote()) // STACKS_AT_ONCE
        return in_stacks(members, share, at_least=self._gpus * STACKS_AT_ONCE)

    def run(
        self,
        pieces: Sequence[W],
        work: Work[W, R],
        *,
        jobs: int = 0,
        on_message: Callable[[int, Any], None] = lambda _index, _message: None,
        on_outcome: Callable[[int, Outcome[R]], None] = lambda _index, _outcome: None,
    ) -> list[Outcome[R]]:
        """Do every piece of work and return what became of each, in order.

        As `run_in_processes` of `icl_mlflow.suite.engines.process_pool`, but a piece
        whose worker dies is given to another one.

        Args:
            pieces: picklable descriptions of the work, which may be done repeatedly.
            work: an importable function; its exceptions become outcomes.
            jobs: the most at once; 0 for as many as the cluster has room for.
            on_message: called here with the index of a piece and what its work sent.
            on_outcome: called here with the index of a piece as soon as it is settled.
        """
        said = Queue(actor_options={"num_cpus": 0})
        do = ray.remote(max_retries=_RETRIES, **self._of_task)(_do)
        waiting = list(range(len(pieces)))[::-1]
        running: dict[Any, int] = {}
        outcomes: dict[int, Outcome[R]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < (jobs or _HANDED_OUT):
                    index = waiting.pop()
                    running[do.remote(pieces[index], work, index, said)] = index
                done, _ = ray.wait(list(running), timeout=_GLANCE)
                for message in _heard(said):
                    on_message(*message)
                for task in done:
                    index = running.pop(task)
                    outcomes[index] = _outcome(task)
                    on_outcome(index, outcomes[index])
        finally:
            _end(list(running))
            said.shutdown(force=True)
        return [outcomes[index] for index in range(len(pieces))]


def _do(piece: W, work: Work[W, R], index: int, said: Any) -> R:
    """A task: do one piece, and pass on what it says."""

    def send(message: object) -> None:
        with contextlib.suppress(RayError):  # nobody listens any more
            said.put((index, message))

    return work(piece, send)


def _free_bytes() -> int:
    """Of the worker's GPU."""
    return free_bytes(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _heard(said: Any) -> list[tuple[int, Any]]:
    """All that has been said since the last time."""
    with contextlib.suppress(Empty):
        found: list[tuple[int, Any]] = said.get_nowait_batch(said.qsize())
        return found
    return []


def _outcome(task: Any) -> Outcome[Any]:
    try:
        return Outcome(ray.get(task))
    except RayError as error:
        return Outcome.failed(error)


def _end(tasks: list[Any]) -> None:
    """Interrupt tasks, and give them time to end their runs."""
    for task in tasks:
        ray.cancel(task)
    if tasks:
        ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE)
