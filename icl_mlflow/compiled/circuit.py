"""A circuit: a model made by hand, what it computes, and which parts compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings

Role = Literal["query", "context"]

#: A sender and a receiver: components, or ``logit`` for the read-out.
Edge = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A statistic that a circuit holds in its stream.

    Attributes:
        name: of the statistic.
        layer: after how many blocks the stream holds it.
        role: at which tokens.
        of: its value: (B, k) float64, up to a factor that all episodes share.
    """

    name: str
    layer: int
    role: Role
    of: Callable[[Episodes], Tensor]


def everywhere(
    name: str, layer: int, of: Callable[[Episodes], Tensor]
) -> tuple[Held, ...]:
    """A statistic that all tokens hold: heads compute it at every one of them."""
    roles: tuple[Role, ...] = get_args(Role)
    return tuple(Held(name=name, layer=layer, role=role, of=of) for role in roles)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What every method should find in a circuit.

    Components are called as in `icl_mlflow.models.attribution`: ``layer 1 head 2`` and
    ``layer 1 MLP``.

    Attributes:
        matters: the components that the answer depends on.
        writes: those that write into the answer themselves, not through others.
        edges: which component reads which; a component whose name stands in no edge is
            read by nobody.
        when_unbalanced: those that matter only where a context's classes have unequal
            sizes.
        holds: which statistic is where.
        estimator: the classical estimator that it is; empty for none of them.
        symmetries: what leaves its answer as it is, among ``rotation``, ``classes``
            (up to its sign) and ``translation``.
    """

    matters: frozenset[str]
    writes: frozenset[str]
    edges: frozenset[Edge]
    symmetries: frozenset[str]
    when_unbalanced: frozenset[str] = frozenset()
    holds: tuple[Held, ...] = ()
    estimator: str = ""


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A model made by hand, and the truth about it.

    Attributes:
        computes: what, in one sentence with its formula.
        task: that it is made for.
        d_model, n_layers, n_heads: of the model; ``dim`` and the points of a context
            are the defaults of a training.
        build: writes the weights.
        answer: what it computes, in closed form: (B,) float64, nats.
        truth: which parts compute it.
        task_parameters: of the task.
    """

    computes: str
    task: str
    d_model: int
    n_layers: int
    n_heads: int
    build: Callable[[Compiler], None]
    answer: Callable[[Episodes], Tensor]
    truth: Truth
    task_parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def settings(self) -> TrainSettings:
        """Those of a model of this shape that was not trained."""
        return TrainSettings(
            task=self.task,
            d_model=self.d_model,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            parameters=self.task_parameters,
            epochs=0,
        )

    @property
    def components(self) -> tuple[str, ...]:
        """All heads and MLPs, in the order of the computation."""
        return components(problem(self.settings).architecture)


def components(architecture: Architecture) -> tuple[str, ...]:
    """The names of all heads and MLPs of a model.

    >>> components(Architecture(n_layers=1, n_heads=2))
    ('layer 1 head 1', 'layer 1 head 2', 'layer 1 MLP')
    """
    found = []
    for layer in range(1, architecture.n_layers + 1):
        heads = range(1, architecture.n_heads + 1)
        found += [f"layer {layer} head {head}" for head in heads]
        found.append(f"layer {layer} MLP")
    return tuple(found)


def compiled(
    circuit: Circuit,
    *,
    offset: float | None = None,
    smallness: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Transformer:
    """The model of a circuit, on the CPU.

    Two approximations keep it from its closed form. Both errors fall with the square:
    the norms' with the offset, the products' twice over with smallness.

    Args:
        circuit: from `CIRCUITS`.
        offset: see `Compiler`; suits float32 if not given.
        smallness: by what the inputs of its squares are multiplied.
        dtype: of the weights.
    """
    architecture = problem(circuit.settings).architecture
    compiler = Compiler(architecture, offset=offset, smallness=smallness)
    circuit.build(compiler)
    model = Transformer(architecture).to(dtype)
    model.load_state_dict(compiler.weights())
    return model.eval()
