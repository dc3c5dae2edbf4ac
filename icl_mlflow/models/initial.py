"""The initial distribution and the shape of every parameter, as data."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initial:
    """A shape, filled with constant + uniform * U(-1, 1) + normal * N(0, 1).

    Attributes:
        shape: of the parameter.
        constant: the centre.
        uniform: half the width of a uniform distribution around it.
        normal: standard deviation of a normal distribution around it.
    """

    shape: Shape
    constant: float = 0.0
    uniform: float = 0.0
    normal: float = 0.0

    def draw(self, rng: Generator) -> Tensor:
        """A fresh tensor of float32 on the CPU."""
        value = torch.full(self.shape, self.constant)
        if self.uniform:
            unit = torch.rand(self.shape, generator=rng)
            value = value + self.uniform * (2 * unit - 1)
        if self.normal:
            value = value + self.normal * torch.randn(self.shape, generator=rng)
        return value


Layout = dict[str, Initial]


def linear(name: str, fan_in: int, fan_out: int) -> Layout:
    """Weight and bias as `torch.nn.Linear` starts them: uniform in +-1/sqrt(fan in)."""
    bound = 1 / math.sqrt(fan_in)
    return {
        f"{name}.weight": Initial((fan_out, fan_in), uniform=bound),
        f"{name}.bias": Initial((fan_out,), uniform=bound),
    }


def block(prefix: str, d_model: int) -> Layout:
    """One block as `torch.nn.TransformerEncoderLayer` starts it, MLP of 4 d_model."""
    xavier = math.sqrt(6 / (d_model + 3 * d_model))
    output = linear("out_proj", d_model, d_model)["out_proj.weight"]
    within: Layout = {
        "self_attn.in_proj_weight": Initial((3 * d_model, d_model), uniform=xavier),
        "self_attn.in_proj_bias": Initial((3 * d_model,)),
        "self_attn.out_proj.weight": output,
        "self_attn.out_proj.bias": Initial((d_model,)),
        **linear("linear1", d_model, 4 * d_model),
        **linear("linear2", 4 * d_model, d_model),
        "norm1.weight": Initial((d_model,), constant=1.0),
        "norm1.bias": Initial((d_model,)),
        "norm2.weight": Initial((d_model,), constant=1.0),
        "norm2.bias": Initial((d_model,)),
    }
    return {prefix + name: initial for name, initial in within.items()}
