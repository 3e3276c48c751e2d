"""The freezing of a process, as in a long pause of its machine."""

import contextlib
import os
import signal
import time
from pathlib import Path

_POLL = 0.002
_STILL = {"T", "X", "Z"}


def freeze(pid: int) -> None:
    """Stop a process, and return once all its threads stand still.

    The signal takes effect when one of the threads next gets a processor; on a busy machine the others work on until
    then. Where there is no /proc, this returns at once.
    """
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    with contextlib.suppress(OSError):  # the process has ended
        while any(_state(thread) not in _STILL for thread in threads.iterdir()):
            time.sleep(_POLL)


def _state(thread: Path) -> str:
    try:
        # The name of the program, in parentheses, may hold anything.
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
