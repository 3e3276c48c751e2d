"""One deadline over the whole stop of a process, whatever hangs: what was accepted is durable by then."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)

STOP_SECONDS = 6.0
"""From the signal to the end of the process: container runtimes kill it after ten."""


def end_in_time(code: Callable[[], int] = lambda: 0) -> None:
    """End the process after `STOP_SECONDS`, with this exit code, if it has not ended by itself.

    In a thread: it holds for a blocked event loop too, and for what comes after the loop's end.
    """
    deadline = threading.Timer(STOP_SECONDS, lambda: end("the stop took too long", code()))
    # It must not keep the process.
    deadline.daemon = True
    deadline.start()


def stop_at_once() -> None:
    """Have SIGINT and SIGTERM end the process at once, until it has handlers of its own: it has begun nothing yet."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def ignore_signals() -> None:
    """Have further signals change nothing: a process that stops has a deadline, and its own exit code.

    Python's end gives signals their defaults back, but for those that are ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def end(reason: str, code: int = 0) -> NoReturn:
    """End the process at once."""
    log.warning("the process ends", reason=reason)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
