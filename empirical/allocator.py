"""Memory that a training step frees is kept for the next one instead of being given back to the system.

By default glibc returns large blocks at once. A step of the plain CNN then has thousands of page faults, in which the
system clears pages: 20 to 26 ms for 100 images, 16 ms without them, on one thread.
"""

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, from malloc.h
_LARGEST_MMAP_THRESHOLD = 32 << 20  # bytes; glibc takes no larger one. Blocks above it are still given back at once.
_KEPT = 512 << 20  # bytes of free memory above which it is given back


@cache
def keep_freed_memory() -> bool:
    """Set this for the rest of the process; whether it could be done, which is where the C library is glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) == 1 and mallopt(_TRIM_THRESHOLD, _KEPT) == 1
