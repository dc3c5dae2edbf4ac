"""Random numbers that can be addressed: a generator for every (seed, stream, step).

A batch is a pure function of its address, so a resumed run needs no replay, and two
members of a suite see the same data whatever runs beside them.
"""

import functools
import hashlib

import torch

_MASK = 0xFFFF_FFFF


def generator(
    seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The generator at one address.

    torch's CPU generator keeps only 32 bits of its seed. A hash of the whole address
    would therefore repeat a batch now and then (birthday), so the step is added to a
    hash of (seed, stream) and mixed by a bijection: no two steps of a stream collide.

    Args:
        seed: any integer.
        stream: what the numbers are for, such as ``"train"`` or ``"validation"``.
        step: the batch within the stream.
        device: where the numbers are drawn; each device type has its own sequence.
    """
    address = (_first_address(seed, stream) + step) & _MASK
    return torch.Generator(device).manual_seed(_mix(address))


@functools.lru_cache(maxsize=256)
def _first_address(seed: int, stream: str) -> int:
    digest = hashlib.blake2b(
        f"{stream}/{seed}".encode(), digest_size=4, person=b"icl-mlflow"
    ).digest()
    return int.from_bytes(digest, "little")


def _mix(word: int) -> int:
    """The 32-bit finaliser of MurmurHash3: a bijection without visible pattern."""
    word ^= word >> 16
    word = (word * 0x85EB_CA6B) & _MASK
    word ^= word >> 13
    word = (word * 0xC2B2_AE35) & _MASK
    return word ^ (word >> 16)
