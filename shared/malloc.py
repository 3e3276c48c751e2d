"""A setting of the C library's allocator for messages of some hundred kilobytes."""

import ctypes
import sys

from shared.settings import MIB

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 64 * MIB


def keep_freed(largest: int) -> None:
    """Keep up to 64 MiB of freed memory in the process, on Linux with glibc.

    Args:
        largest: the size in bytes of the largest block that is kept, at most 32 MiB. Larger blocks are returned to the
            kernel at once: where they are rare, they would leave holes in the heap that no other block fills.

    By default glibc returns the end of the heap to the kernel as soon as 128 KiB of it are free, and larger blocks at
    once. The kernel would then clear the same pages again for every ECG, which takes longer than parsing it.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_M_MMAP_THRESHOLD, largest)
