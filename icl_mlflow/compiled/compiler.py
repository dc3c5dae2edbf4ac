r"""A compiler of circuits: registers in the stream, and parts that compute on them.

The stream is cut into named *registers*. A post-LN block norms it twice, which would
mix them; three more coordinates keep that from happening. Two hold a large constant,
+C and -C, so that the variance is 2 C^2 / M whatever the registers hold, up to a share
of |x|^2 / 2 C^2; one, the *balance*, takes minus the sum of all that is written, so
that the mean is 0. A norm whose gain is that standard deviation then leaves every
register as it is. Constants are read off the same coordinate.

An MLP multiplies by a b = ((a + b)^2 - (a - b)^2) / 4, and squares by

    gelu(h) + gelu(-h) = h erf(h / sqrt 2) = sqrt(2 / pi) (h^2 - h^4 / 6 + ...),

at h and at 2 h, so that the term of h^4 cancels: the error is a share of h^4 / 10.

No part is silent: heads and hidden units that a circuit has no use for are given random
weights, and write into a register that is never read by those that matter.
"""

import math

import torch
from torch import Tensor

from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.models.forward import layer_prefix

#: Suits float32: larger costs more by rounding than it saves by the norms.
_OFFSET = 8192.0
#: What layer norm adds to a variance.
_EPSILON = 1e-5
#: How large the inputs of a square are made where registers hold numbers around 1.
_SMALL = 0.05
#: Of (h, 2 h): factors of h, and with which weights squares of both are summed.
_SCALES = ((1.0, 4 / 3), (2.0, -1 / 12))
#: Behind the registers: the constants +C and -C, and the balance.
_PLUS, _MINUS, _BALANCE = -3, -2, -1
#: How strongly a part without use reads and writes.
_IDLE = 0.3


class Compiler:
    """Weights of a transformer, written part by part.

    A *reading* (k, M) is k linear functions of the stream; they can be added and
    scaled. A *writing* (M, k) says where k numbers go.

    Args:
        architecture: of the model; its tokens are points and labels, summed.
        offset: C; larger is more exact until numbers no longer resolve it.
        smallness: by what inputs of squares are multiplied; smaller is more exact until
            numbers no longer resolve them.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        offset: float | None = None,
        smallness: float = 1.0,
    ) -> None:
        self.architecture = architecture
        self._offset = _OFFSET if offset is None else offset
        self._small = _SMALL * smallness
        self._registers: dict[str, slice] = {}
        self._n_used = 0
        self._heads: set[tuple[int, int]] = set()
        self._neurons = [0] * architecture.n_layers
        self._weights = _blank(architecture, self._offset)
        self._rng = torch.Generator().manual_seed(0)

    def register(self, name: str, width: int) -> None:
        """Set aside ``width`` coordinates of the stream."""
        start, self._n_used = self._n_used, self._n_used + width
        if self._n_used + len((_PLUS, _MINUS, _BALANCE)) >= self.architecture.d_model:
            raise ValueError(f"d_model leaves no room for register {name}")
        self._registers[name] = slice(start, self._n_used)

    def read(self, name: str) -> Tensor:
        """The numbers of a register: (k, M)."""
        eye_MM = torch.eye(self.architecture.d_model, dtype=torch.float64)
        return eye_MM[self._registers[name]]

    def constant(self, value: float) -> Tensor:
        """The same number everywhere: (1, M)."""
        reading_1M = torch.zeros(1, self.architecture.d_model, dtype=torch.float64)
        reading_1M[0, _PLUS] = value / self._offset
        return reading_1M

    def write(self, name: str) -> Tensor:
        """Into a register: (M, k)."""
        return self.read(name).t()

    def points(self, *, context: str, query: str) -> None:
        """Keep x in a register; the query's may be another one."""
        self._weights["x_proj.weight"] += self.write(context)
        self._weights["query_proj.weight"] += self.write(query)

    def signs(self, name: str) -> None:
        """Keep each label as -1 or +1 in a register; the query's is 0."""
        where = self._registers[name]
        self._weights["y_proj.weight"][where] = 2.0
        self._weights["x_proj.bias"][where] = -1.0

    def mark_query(self, name: str) -> None:
        """Keep 1 in a register of the query's token, and 0 in all others."""
        self._weights["query_proj.bias"][self._registers[name]] = 1.0

    def head(
        self,
        layer: int,
        head: int,
        *,
        value: Tensor,
        output: Tensor,
        query: Tensor | None = None,
        key: Tensor | None = None,
    ) -> None:
        """A head that adds ``output`` @ its mean of ``value`` to the stream.

        Args:
            layer: from 1.
            head: from 1.
            value: reading (k, M), with k at most the width of a head.
            output: writing (M, k).
            query: reading (j, M); its product with the key is the score. Without it
                the mean is over all tokens alike.
            key: reading (j, M).
        """
        self._heads.add((layer, head))
        width = self.architecture.head_width
        self._project(layer, head, 2, value)
        if query is not None and key is not None:
            self._project(layer, head, 0, query * math.sqrt(width))
            self._project(layer, head, 1, key)
        start = (head - 1) * width
        out_MM = self._of(layer, "self_attn.out_proj.weight")
        out_MM[:, start : start + output.shape[1]] = output

    def square(
        self, layer: int, reading: Tensor, output: Tensor, *, size: float = 1.0
    ) -> None:
        """An MLP that adds ``output`` @ the squares of ``reading`` to the stream.

        Args:
            layer: from 1.
            reading: (k, M).
            output: writing (M, k).
            size: how large what is read typically is.
        """
        small = self._small / size
        for factor, weight in _SCALES:
            scale = small * factor
            # A sum over both signs is sqrt(2 / pi) (scale x)^2, and h^2 counts once.
            back = weight / (small**2 * math.sqrt(2 / math.pi))
            for sign in (1.0, -1.0):
                self._hidden(layer, sign * scale * reading, back * output)

    def multiply(
        self, layer: int, one: Tensor, other: Tensor, output: Tensor, *, size: float = 1
    ) -> None:
        """An MLP that adds ``output`` @ (one times other) to the stream.

        Args:
            layer: from 1.
            one: reading (k, M).
            other: reading (k, M).
            output: writing (M, k).
            size: how large what is read typically is.
        """
        both = torch.cat([one + other, one - other])
        self.square(layer, both, torch.cat([output, -output], dim=1) / 4, size=size)

    def answer(self, reading: Tensor) -> None:
        """The logit: a reading (1, M) of the query's stream."""
        self._weights["head.weight"] += reading

    def weights(self) -> dict[str, Tensor]:
        """All parameters, float64, by the names of a transformer's."""
        for layer in range(1, self.architecture.n_layers + 1):
            self._keep_busy(layer)
        found = {name: value.clone() for name, value in self._weights.items()}
        for name, value in found.items():
            if name.endswith(_WRITES):
                value[_BALANCE] -= value.sum(0)
        return found

    def _keep_busy(self, layer: int) -> None:
        """Let the parts without use compute something that nobody needs."""
        a = self.architecture
        for head in range(1, a.n_heads + 1):
            if (layer, head) not in self._heads:
                value, query, key = (self._at_random(a.head_width) for _ in range(3))
                output = self._nowhere(a.head_width)
                self.head(
                    layer, head, value=value, output=output, query=query / 8, key=key
                )
        n_idle = 4 * a.d_model - self._neurons[layer - 1]
        self._hidden(layer, self._at_random(n_idle), self._nowhere(n_idle))

    def _at_random(self, n: int) -> Tensor:
        """Readings of all registers: (n, M)."""
        reading = torch.zeros(n, self.architecture.d_model, dtype=torch.float64)
        drawn = torch.randn(n, self._n_used, generator=self._rng, dtype=torch.float64)
        reading[:, : self._n_used] = _IDLE * drawn / math.sqrt(self._n_used)
        return reading

    def _nowhere(self, n: int) -> Tensor:
        """Writings into the coordinates that no register has: (M, n)."""
        output = torch.zeros(self.architecture.d_model, n, dtype=torch.float64)
        free = output[self._n_used : _PLUS]
        free.normal_(0, _IDLE, generator=self._rng)
        return output

    def _hidden(self, layer: int, reading: Tensor, output: Tensor) -> None:
        """More hidden units, which write their gelu."""
        start = self._neurons[layer - 1]
        stop = start + len(reading)
        first = self._of(layer, "linear1.weight")
        if stop > len(first):
            raise ValueError(f"layer {layer} needs more than {len(first)} hidden units")
        first[start:stop] = reading
        self._of(layer, "linear2.weight")[:, start:stop] = output
        self._neurons[layer - 1] = stop

    def _project(self, layer: int, head: int, which: int, reading: Tensor) -> None:
        """Rows of the input projection: queries are 0, keys 1, values 2."""
        a = self.architecture
        if len(reading) > a.head_width:
            raise ValueError(f"a head of width {a.head_width} cannot hold it")
        start = which * a.d_model + (head - 1) * a.head_width
        in_proj = self._of(layer, "self_attn.in_proj_weight")
        in_proj[start : start + len(reading)] = reading

    def _of(self, layer: int, name: str) -> Tensor:
        return self._weights[layer_prefix(layer - 1) + name]


#: The endings of the names of parameters that write into the stream along axis 0.
_WRITES = (
    "x_proj.weight",
    "x_proj.bias",
    "query_proj.weight",
    "query_proj.bias",
    "y_proj.weight",
    "out_proj.weight",
    "linear2.weight",
)


def _blank(architecture: Architecture, offset: float) -> dict[str, Tensor]:
    """Parameters of a model that leaves its stream as it is."""
    found = {
        name: torch.zeros(initial.shape, dtype=torch.float64)
        for name, initial in Transformer.layout(architecture).items()
    }
    scale = math.sqrt(2 * offset**2 / architecture.d_model + _EPSILON)
    for name, value in found.items():
        if ".norm" in name and name.endswith("weight"):
            value.fill_(scale)
    found["pos_emb"][..., _PLUS] = offset
    found["pos_emb"][..., _MINUS] = -offset
    return found
