"""How long a child process may live: no longer than whoever started it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

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


def run(argv: Sequence[str], env: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Run a command to its end, no longer than the timeout (seconds); return its exit code and all that it printed.

    The environment variables come on top of this process's own.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - callers pass a program that was looked up, and no shell
            argv,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            preexec_fn=dies_with_parent(),
        )
    except subprocess.TimeoutExpired:
        return 1, f"It did not end within {timeout:.0f} s."
    return answer.returncode, answer.stdout
