"""The server: uvicorn's, with one deadline over its whole stop."""

import asyncio
import os
import sys
import threading
from types import FrameType

import structlog
import uvicorn

log = structlog.get_logger(__name__)

STOP_SECONDS = 7.0
"""From the signal to the end of the process: container runtimes kill it after ten."""
REQUEST_SECONDS = 5
"""Of these, for the requests under way. Those that are still waiting for a broker then are answered 503."""


class Server(uvicorn.Server):
    """A server that ends in time, whatever hangs: a broker that does not answer, a client that does not read.

    `stopping` is set as soon as the stop begins: requests that are held end then, and their clients ask another
    gateway. What was accepted is durable, so the process may end at the deadline with connections still open.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.stopping = stopping
        self._deadline = threading.Timer(STOP_SECONDS, _end, ["the stop took too long"])
        # It must not keep the process.
        self._deadline.daemon = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop. Before the start is complete nobody was answered anything: there is nothing to wait for."""
        if not self.started:
            _end("stopped before the start was complete")
        if not self.should_exit:
            # In a thread: it holds for a blocked event loop, and for what comes after the loop's end.
            self._deadline.start()
            self.stopping.set()
        super().handle_exit(sig, frame)


def _end(reason: str) -> None:
    """End the process at once, without an error: the end is wanted."""
    log.warning("the process ends", reason=reason)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
