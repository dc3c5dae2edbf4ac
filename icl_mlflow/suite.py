"""Which members a suite has: seeds as people write them, and (variant, seed) grids."""

from collections.abc import Sequence
from dataclasses import replace

from icl_mlflow.training.settings import TrainSettings


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from ``0,1,2`` or ``0-9`` or both, in order, each once.

    Raises:
        ValueError: no seed, or one that is not a whole number of at least 0.

    >>> parse_seeds("7,0-2")
    (7, 0, 1, 2)
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            raise ValueError(f"seeds must be like 0,1,2 or 0-9, not {text!r}") from None
        if high < low:
            raise ValueError(
                f"seeds {part.strip()!r} run backwards; write {high}-{low}"
            )
        seeds += range(low, high + 1)
    return tuple(dict.fromkeys(seeds))


def grid(
    settings: TrainSettings, variants: Sequence[str], seeds: Sequence[int]
) -> list[TrainSettings]:
    """One member for every (variant, seed), seeds fastest."""
    return [
        replace(settings, variant=variant, seed=seed)
        for variant in variants
        for seed in seeds
    ]
