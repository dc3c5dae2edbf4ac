"""Choose the engine that trains the members of a suite, and their groups.

  processes  one process a member, bit-equal to a single run: the choice on CPUs;
  stacked    members of one shape as one computation: the choice where CUDA is;
  ray        either of the two, as tasks of a cluster.

Whatever the engine, one worker trains one group at a time, and a group of one member is
trained as a single run is.
"""

import importlib.util
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import torch

from icl_mlflow.suite.engines.process_pool import usable_cores
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.planning import free_bytes, most_members, stacks

Group = tuple[TrainSettings, ...]

#: Where Ray's own programs look for the cluster.
_ADDRESS_VARIABLE = "RAY_ADDRESS"

#: Seconds that a cluster gets to answer.
_PATIENCE = 5.0

#: Stacks at once on one device: one computes while the other validates and logs.
STACKS_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How a suite is trained.

    Attributes:
        engine: ``processes``, ``stacked`` or ``ray``.
        why: the reason, to be read after the engine's name.
        groups: all members; those of a group train as one stack.
        at_once: groups trained at the same time; 0 for as many as a cluster has room
            for.
        ray_address: of the cluster; None for one on this machine.
    """

    engine: str
    why: str
    groups: tuple[Group, ...]
    at_once: int
    ray_address: str | None = None


def check_engine(engine: str, ray_address: str | None = None) -> None:
    """Refuse, before any run exists, an engine that is not here.

    Raises:
        ValueError: Ray is not installed, or no cluster answers at the address.
    """
    if engine != "ray":
        return
    if importlib.util.find_spec("ray") is None:
        raise ValueError("engine=ray needs Ray: pip install 'icl-mlflow[ray]'")
    address = cluster_address(ray_address)
    if address is not None:
        _check_address(address)


def cluster_address(given: str | None) -> str | None:
    """The cluster to go to, by argument before RAY_ADDRESS; None for one made here."""
    address = given or os.environ.get(_ADDRESS_VARIABLE, "").strip()
    return None if address in {"", "local"} else address


def arrange(
    members: Sequence[TrainSettings],
    *,
    engine: str = "auto",
    jobs: int = 0,
    ray_address: str | None = None,
) -> Arrangement:
    """Choose the engine and the groups.

    Args:
        members: all with the same ``device``.
        engine: ``auto`` or the engine to take.
        jobs: groups trained at once; 0 to let the engine decide.
        ray_address: for ``ray``; by default RAY_ADDRESS.
    """
    if engine == "ray":
        return _on_ray(members, jobs, ray_address)
    if engine == "processes":
        return _in_processes(members, jobs, "as asked for")
    if engine == "stacked":
        return _in_stacks(members, jobs, "as asked for")
    device = pick_device(members[0].device) if members else torch.device("cpu")
    if device.type != "cuda":
        return _in_processes(
            members, jobs, "stacks pay on CUDA, which is not used here"
        )
    if len(stacks(members)) == len(members):
        return _in_processes(members, jobs, "no two members are of one shape")
    return _in_stacks(members, jobs, "CUDA is here, and members are of one shape")


def _check_address(address: str) -> None:
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if not place.hostname or not place.port:  # such as ``auto``, which Ray looks up
        return
    try:
        socket.create_connection((place.hostname, place.port), _PATIENCE).close()
    except OSError as error:
        raise ValueError(
            f"no Ray cluster answers at {address}; start one with `ray start --head`, "
            f"or leave ray_address out and unset {_ADDRESS_VARIABLE} for one on this "
            "machine"
        ) from error


def _in_processes(members: Sequence[TrainSettings], jobs: int, why: str) -> Arrangement:
    return Arrangement(
        engine="processes",
        why=why,
        groups=tuple((member,) for member in members),
        at_once=min(jobs or usable_cores(), len(members)),
    )


def _in_stacks(members: Sequence[TrainSettings], jobs: int, why: str) -> Arrangement:
    at_once = jobs or STACKS_AT_ONCE
    share = free_bytes(pick_device(members[0].device)) // at_once if members else 0
    groups = in_stacks(members, share)
    return Arrangement(
        engine="stacked",
        why=why,
        groups=groups,
        at_once=min(at_once, len(groups)),
    )


def in_stacks(
    members: Sequence[TrainSettings], available: int, at_least: int = 1
) -> tuple[Group, ...]:
    """Stacks of which each fits into so many bytes.

    Args:
        members: in any order.
        available: bytes for one stack.
        at_least: how many stacks there is room for at once; fewer would waste some.
    """
    fair = -(-len(members) // at_least)
    return tuple(
        stacks(members, lambda first: min(fair, most_members(first, available)))
    )


def _on_ray(
    members: Sequence[TrainSettings], jobs: int, given: str | None
) -> Arrangement:
    address = cluster_address(given)
    place = f"the cluster at {address}" if address else "a cluster on this machine"
    return Arrangement(
        engine="ray",
        why=f"as asked for, on {place}",
        groups=tuple((member,) for member in members),
        at_once=jobs,
        ray_address=address,
    )
