"""One deadline for the whole stop of a process, whatever hangs: accepted data is durable long before."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)

STOP_SECONDS = 6.0
"""The time from the signal to the end of the process: container runtimes kill it after ten seconds."""


def end_in_time(code: Callable[[], int] = lambda: 0) -> None:
    """End the process after `STOP_SECONDS` with this exit code, unless it ends by itself before.

    The timer runs in a thread, because the event loop may be blocked, or may have ended while something else hangs.
    """
    deadline = threading.Timer(STOP_SECONDS, lambda: end("the stop took too long", code()))
    # A daemon thread does not keep the process alive.
    deadline.daemon = True
    deadline.start()


def stop_at_once() -> None:
    """Let SIGINT and SIGTERM end the process at once until it sets its own handlers: it has begun nothing yet."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def ignore_signals() -> None:
    """Ignore further signals: a stopping process has a deadline and an exit code already.

    Ignored rather than handled, because Python restores the default of handled signals when the interpreter exits.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def end(reason: str, code: int = 0) -> NoReturn:
    """Log the reason and end the process at once."""
    log.warning("the process ends", reason=reason)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
