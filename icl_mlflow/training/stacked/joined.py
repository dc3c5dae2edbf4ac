"""What a stack sees at a step: the batches of its members, common points kept once.

Members of one seed see the same points, whatever their variants do to the labels, so
that of the paper's fifty members ten sets of points travel to a device.

Shape suffixes: R = models of the stack, U = different sets of points among theirs,
Q = queries to a context, A = answers, to all queries of a batch (B Q).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from icl_mlflow.models import InContextModel
from icl_mlflow.training.problem import Batch


@dataclass(frozen=True, kw_only=True)
class JoinedBatches:
    """One batch of every model of a stack.

    Attributes:
        context_x_UBND: the different sets of context points.
        query_x_UBQD: the queries to them.
        points_R: which of the sets each model sees, int64.
        context_y_RBN: labels as each model sees them, int64.
        label_RA: the queries' labels, int64.
        target_RA: probabilities that are to be answered, float32.
        lengths_RB: context points of each episode of each model, int64; None where all
            have all.
    """

    context_x_UBND: Tensor
    query_x_UBQD: Tensor
    points_R: Tensor
    context_y_RBN: Tensor
    label_RA: Tensor
    target_RA: Tensor
    lengths_RB: Tensor | None = None

    @property
    def n_queries(self) -> int:
        """Q."""
        return self.query_x_UBQD.shape[2]

    @property
    def shapes(self) -> tuple[torch.Size, ...]:
        """Of all tensors: what a recorded step depends on."""
        return tuple(tensor.shape for tensor in self.tensors())

    def to(self, device: torch.device) -> Self:
        """A copy on ``device``."""
        return type(self).of_tensors(t.to(device, copy=True) for t in self.tensors())

    def copy_(self, other: Self) -> None:
        """Become what another one of these shapes is, in the same memory."""
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.copy_(theirs, non_blocking=True)

    def features(self, model: InContextModel) -> Tensor:
        """What the tokens of every model are linear in: (R, B, S, F), float32.

        Args:
            model: any of the stack.
        """
        context_x_RBND, query_x_RBQD = self.context_x_UBND, self.query_x_UBQD
        n_models = len(self.points_R)
        if len(context_x_RBND) < n_models:
            context_x_RBND = context_x_RBND.index_select(0, self.points_R)
            query_x_RBQD = query_x_RBQD.index_select(0, self.points_R)
        features_BSF = model.features(
            context_x_RBND.flatten(0, 1),
            self.context_y_RBN.flatten(0, 1),
            query_x_RBQD.flatten(0, 1),
        )
        return features_BSF.view(n_models, -1, *features_BSF.shape[1:])

    def tensors(self) -> list[Tensor]:
        """All that there is, always in the same order."""
        every = [getattr(self, field.name) for field in fields(self)]
        return [tensor for tensor in every if tensor is not None]

    @classmethod
    def of_tensors(cls, tensors: Iterable[Tensor]) -> Self:
        """What `tensors` gave."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, tensors, strict=False)))  # lengths may be missing


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The batches of some steps, in few pieces of memory: what processes send.

    Attributes:
        parts: all numbers of each type, one tensor after the other.
        shapes: of the tensors of each step, with their types.
    """

    parts: Mapping[torch.dtype, Tensor]
    shapes: tuple[tuple[tuple[torch.Size, torch.dtype], ...], ...]

    @classmethod
    def of(cls, steps: Sequence[JoinedBatches]) -> Self:
        """The batches of these steps."""
        flat: dict[torch.dtype, list[Tensor]] = {}
        for tensor in (tensor for step in steps for tensor in step.tensors()):
            flat.setdefault(tensor.dtype, []).append(tensor.flatten())
        return cls(
            parts={dtype: torch.cat(parts) for dtype, parts in flat.items()},
            shapes=tuple(tuple((t.shape, t.dtype) for t in s.tensors()) for s in steps),
        )

    def __iter__(self) -> Iterator[JoinedBatches]:
        """The batches of each step, as views."""
        starts = dict.fromkeys(self.parts, 0)
        for shapes in self.shapes:
            tensors = []
            for shape, dtype in shapes:
                part = self.parts[dtype].narrow(0, starts[dtype], shape.numel())
                starts[dtype] += shape.numel()
                tensors.append(part.view(shape))
            yield JoinedBatches.of_tensors(tensors)

    def pinned(self) -> Self:
        """In memory from which a device copies while the host goes on."""
        parts = {dtype: part.pin_memory() for dtype, part in self.parts.items()}
        return replace(self, parts=parts)


def joined(batches: Sequence[Batch]) -> JoinedBatches:
    """The batches of a step, one a model; members that share points share tensors."""
    places: dict[tuple[int, int], int] = {}
    different: list[Batch] = []
    points = []
    for batch in batches:
        key = (id(batch.seen.context_x_BND), id(batch.query_x_BQD))
        if key not in places:
            places[key] = len(different)
            different.append(batch)
        points.append(places[key])
    return JoinedBatches(
        context_x_UBND=torch.stack([one.seen.context_x_BND for one in different]),
        query_x_UBQD=torch.stack([one.query_x_BQD for one in different]),
        points_R=torch.tensor(points),
        context_y_RBN=torch.stack([one.seen.context_y_BN for one in batches]),
        label_RA=torch.stack([one.label_BQ.flatten() for one in batches]),
        target_RA=torch.stack([one.target_BQ.flatten() for one in batches]),
        lengths_RB=_lengths(batches),
    )


def _lengths(batches: Sequence[Batch]) -> Tensor | None:
    lengths = [one.lengths_B for one in batches if one.lengths_B is not None]
    return torch.stack(lengths) if lengths else None
