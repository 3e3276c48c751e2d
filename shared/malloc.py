"""The C library's allocator, set up for messages of some hundred kilobytes."""

import ctypes
import sys

from shared.settings import MIB

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 64 * MIB
# The largest that glibc takes.
_MAPPED_ALONE = 32 * MIB


def keep_freed() -> None:
    """Have the process keep up to 64 MiB of what it frees, where it runs on Linux with glibc.

    By default the end of the heap is given back as soon as 128 KiB of it are free, and larger blocks at once: with
    every ECG that is parsed, the kernel would clear the same pages again, which takes longer than the parsing.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_ALONE)
