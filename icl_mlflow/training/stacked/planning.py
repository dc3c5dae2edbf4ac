"""Which models train together, and how many of them fit into memory?

Models stack whose tensors have equal shapes at every step and whose epochs end at equal
steps: one architecture, context length, batch size, length, precision and device, and
all contexts padded or none. All else may differ: the task, the variant, the seed,
rates, decay, clipping, the shortest context.
"""

import os
import sys
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from icl_mlflow.training.problem import initial_model, problem, training_batches
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.joined import joined
from icl_mlflow.training.stacked.step import StackedOptimisation

#: Copies of the weights that a model in training needs: themselves, two gradients (one
#: clipped), AdamW's two means, three in the update, the best and the last good ones.
_COPIES = 10
#: A backward pass holds gradients beside what the forward pass saved.
_BACKWARD = 2
#: The share of the free memory that is planned with.
_PLANNED = 0.8


def stack_key(settings: TrainSettings) -> Hashable:
    """Equal for members that can train as one stack."""
    chosen = problem(settings)
    return (
        chosen.architecture,
        chosen.n_context,
        settings.varies_length,
        settings.batch_size,
        settings.epochs,
        settings.steps_per_epoch,
        settings.queries,
        settings.queries_share if settings.queries > 1 else None,
        settings.precision,
        settings.device,
    )


def check_stackable(members: Sequence[TrainSettings]) -> None:
    """Refuse what cannot train as one stack.

    Raises:
        ValueError: no member, no epoch, or members of different shape or length.
    """
    if not members or not members[0].epochs:
        raise ValueError("a stack needs at least one member and at least one epoch")
    if len({stack_key(member) for member in members}) > 1:
        raise ValueError(
            "members of one stack have equal architecture, n_context, batch_size, "
            "epochs, train_episodes, queries, queries_share, precision and device, and "
            "all an n_context_min or none"
        )


def stacks(
    members: Sequence[TrainSettings],
    most: Callable[[TrainSettings], int] = lambda _: sys.maxsize,
) -> list[tuple[TrainSettings, ...]]:
    """The members in groups that train together, the largest first.

    A group of one is a member that trains alone.

    Args:
        members: in any order.
        most: the most members of a stack, told by its first one; by default any number.
            Larger groups are cut into parts of almost equal size.
    """
    alike: dict[Hashable, list[TrainSettings]] = {}
    alone: list[tuple[TrainSettings, ...]] = []
    for member in members:
        if member.epochs:
            alike.setdefault(stack_key(member), []).append(member)
        else:
            alone.append((member,))
    groups = []
    for together in alike.values():
        n_parts = -(-len(together) // most(together[0]))
        groups += [tuple(together[part::n_parts]) for part in range(n_parts)]
    return sorted(groups, key=len, reverse=True) + alone


def member_bytes(settings: TrainSettings) -> int:
    """About how much memory one model of a stack takes while it trains.

    Counted, not guessed: a step on the CPU tells what its backward pass keeps.
    """
    model = initial_model(settings)
    optimisation = StackedOptimisation([settings], [model])
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batches = training_batches([settings], [problem(settings)], 0)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        optimisation.step(joined(batches))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return _COPIES * weights + _BACKWARD * sum(kept.values())


def free_bytes(device: torch.device) -> int:
    """The memory of a device that nobody uses now; of the machine's, for the CPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    if sys.platform == "linux":
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 8 << 30  # a machine that trains has that


def most_members(settings: TrainSettings, available: int) -> int:
    """How many models like this one fit into so many bytes together; at least one."""
    return max(1, int(_PLANNED * available / member_bytes(settings)))
