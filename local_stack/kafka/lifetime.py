"""How long a child process may live: no longer than whoever started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def dies_with_parent() -> Callable[[], None]:
    """Give the `preexec_fn` that has the kernel kill a child once its parent is gone, however that ended.

    The kernel takes the *thread* that started the child for its parent: start long-lived children from a thread
    that lives as long as they shall, such as the event loop's. Only Linux can do this; elsewhere nothing happens.
    """
    # Looked up before the fork: in a child of a process with threads, loading a library could wait for ever.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent = os.getpid()

    def arm() -> None:
        if prctl is None:
            return
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return arm
