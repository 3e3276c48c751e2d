"""Ctrl-C ends the command with one line and exit code 130 at any moment, and never with a traceback.

This imports nothing that takes time, because it must be at work before the rest of the command is imported.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

INTERRUPTED = 130


def end_at_once() -> None:
    """Have Ctrl-C end the process from now on: while it imports, and when its work is done."""
    _handle(_end)


def interrupt() -> None:
    """Have Ctrl-C raise `KeyboardInterrupt` from now on, so that the command tidies up and counts what is done."""
    _handle(signal.default_int_handler)


def interrupt_after(first: Callable[[], None]) -> None:
    """Have the next Ctrl-C call `first`, and the one after it raise `KeyboardInterrupt`."""

    def handle(*_: object) -> None:
        interrupt()
        first()

    _handle(handle)


def leave() -> NoReturn:
    """End the process without waiting for its threads, one of which may still read a large file."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(INTERRUPTED)


def _handle(handler: Any) -> None:
    # A shell has a command in the background ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _end(*_: object) -> NoReturn:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"ecg: interrupted\n")
    os._exit(INTERRUPTED)
