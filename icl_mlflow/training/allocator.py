"""Keep freed memory in the process, where the C library allows it.

A training step allocates and frees the same few megabyte-sized buffers. glibc gives
each back to the system and gets it anew, and every first touch of a page is a fault:
measured on a virtual machine, about a sixth of the step. Numbers are not affected.
"""

import ctypes
import functools
import sys

# From <malloc.h>; the threshold's largest allowed value is 32 MiB on 64 bits.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 32 << 20
_KEPT = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc to reuse large buffers; whether it will. Does nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    return bool(kept and mallopt(_M_TRIM_THRESHOLD, _KEPT))
