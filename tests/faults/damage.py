"""Damage to a file, drawn without repetition: truncations and flipped bits.

ICL_FAULTS_EXAMPLES is how often a file is damaged in each way, ICL_FAULTS_SEED draws
other places.
"""

import os
from collections.abc import Callable, Iterator

import numpy as np

EXAMPLES = int(os.environ.get("ICL_FAULTS_EXAMPLES", "60"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))

Damage = Callable[[bytes], Iterator[bytes]]


def truncated(content: bytes) -> Iterator[bytes]:
    """The first bytes of it; among them none, and all but the last."""
    for length in _places(len(content)):
        yield content[:length]


def flipped(content: bytes) -> Iterator[bytes]:
    """With one bit flipped; among them the first and the last."""
    for place in _places(8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        yield bytes(damaged)


def _places(n: int) -> list[int]:
    assert n >= EXAMPLES >= 2, f"a longer file is needed for {EXAMPLES} examples"
    drawn = np.random.default_rng(SEED).permutation(np.arange(1, n - 1))
    return [0, n - 1, *map(int, drawn[: EXAMPLES - 2])]
