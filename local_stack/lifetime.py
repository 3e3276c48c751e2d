"""Child processes that do not outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

_PR_SET_PDEATHSIG = 1


def dies_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel kill the child when its parent ends, in whatever way.

    To the kernel, the parent is the *thread* that started the child: start long-lived children from a thread that
    outlives them, such as the event loop's. Only Linux can do this; elsewhere the function does nothing.
    """
    # Looked up before the fork, because loading a library in the child of a process with threads could deadlock.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent = os.getpid()

    def arm() -> None:
        if prctl is None:
            return
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return arm


def run(argv: Sequence[str], env: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Run a command for at most `timeout` seconds, and return its exit code and its output.

    After the timeout it is killed, and the code is 1. The environment variables are added to those of this process.
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
