"""What any task may be wrapped in: the parameters of its wrappers.

It needs no torch, so that command lines can list these options.
"""

from dataclasses import Field, dataclass, fields
from typing import Any

from icl_mlflow.settings import check, setting

#: The probability of y = 1 where labels are fair coins.
FAIR = 0.5


def _has_pool(wrapping: "Wrapping") -> bool:
    return wrapping.pool > 0


@dataclass(frozen=True, kw_only=True)
class Wrapping:
    """Changes of a task's prior that every task can take; none by default.

    Raises:
        ValueError: a value out of range.
    """

    prior: float = setting(0.5, "Probability of y = 1.", minimum=1e-6, maximum=1 - 1e-6)
    prior_concentration: float = setting(
        0.0,
        "Each episode draws its probability of y = 1 from the Beta distribution with "
        "mean prior and this a + b; 0: it is prior in all.",
        minimum=0,
        maximum=1e6,
    )
    pool: int = setting(
        0,
        "Latents that were drawn once, of which every episode has one; 0: each episode "
        "draws its own.",
        minimum=0,
        maximum=1_000_000,
    )
    pool_seed: int = setting(
        0, "Seed of the pool's latents.", minimum=0, decides=_has_pool
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def has_fair_labels(self) -> bool:
        """Whether every label is a fair coin."""
        return self.prior == FAIR and not self.prior_concentration

    @property
    def given(self) -> dict[str, float]:
        """What differs from no wrapper, by name.

        >>> Wrapping(pool=8).given, Wrapping(pool_seed=3).given
        ({'pool': 8, 'pool_seed': 0}, {})
        """
        found: dict[str, float] = {}
        if not self.has_fair_labels:
            found["prior"] = self.prior
        if self.prior_concentration:
            found["prior_concentration"] = self.prior_concentration
        if self.pool:
            found |= {"pool": self.pool, "pool_seed": self.pool_seed}
        return found


#: The parameters of wrappers by name, each with its declaration.
WRAPPER_PARAMETERS: dict[str, Field[Any]] = {
    field.name: field for field in fields(Wrapping)
}

#: Their values where a task has no wrapper.
UNWRAPPED: dict[str, float] = {
    name: getattr(Wrapping(), name) for name in WRAPPER_PARAMETERS
}
