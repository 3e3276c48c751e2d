"""uvicorn's server, which stops in time, and also when a Kafka client has died."""

import asyncio
import socket
from types import FrameType

import structlog
import uvicorn

from shared.deadline import end, end_in_time
from shared.kafka.client_watch import ClientDied, watch

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 5
"""Seconds that a stop leaves to the requests under way. Those that still wait for a broker then get 503."""
CLIENT_DIED = 4
"""The exit code after the death of a Kafka client."""


class Server(uvicorn.Server):
    """A server that stops in time, even if a broker does not answer or a client does not read.

    `stopping` is set as soon as the stop begins: held requests end then, and their clients ask another gateway.
    Accepted ECGs are durable, so the process may exit at the deadline with connections still open.

    It stops by itself when a Kafka client has died, so that a new process can take its place.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.failed = False
        self._stopping = stopping

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes or a Kafka client dies."""
        serving = asyncio.current_task()
        assert serving is not None  # noqa: S101 - this runs in a task
        watching = asyncio.create_task(self._watch(serving))
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if not self.failed:
                raise
        finally:
            watching.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and log the address: uvicorn's own line is shown only at DEBUG."""
        await super().startup(sockets)
        # With port 0 the system chose one.
        host, port, *_ = self.servers[0].sockets[0].getsockname()
        log.info("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Log the stop, and stop. A signal handler could not log it: the signal may interrupt another line."""
        log.info("stopping")
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop. Before the start is complete there are no requests to wait for: exit at once."""
        if not self.started:
            end("stopped before the start was complete")
        if not self.should_exit:
            self._begin_to_stop()
        super().handle_exit(sig, frame)

    def _begin_to_stop(self) -> None:
        end_in_time(lambda: CLIENT_DIED if self.failed else 0)
        self._stopping.set()

    async def _watch(self, serving: asyncio.Task[None]) -> None:
        try:
            await watch()
        except ClientDied as died:
            log.error("a Kafka client died: this gateway ends", reason=str(died))
            self.failed = self.should_exit = True
            self._begin_to_stop()
            if not self.started:
                # uvicorn checks `should_exit` only after the start, which may wait for that client.
                serving.cancel()
