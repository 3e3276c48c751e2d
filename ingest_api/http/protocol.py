"""uvicorn's connections, with limits on what a client sends before it is answered and on what it leaves unread."""

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ingest_api.http.slow_clients import Awaited, Clients

MAX_HEAD_BYTES = 64 * 1024
"""Limit of a request's line and headers together."""
MAX_PIPELINED = 16
"""Limit of the requests on a connection that wait for the answer to an earlier one."""
LAST_REQUEST_SECONDS = 4
"""Seconds for which a stopping gateway waits for a last request on idle connections. haproxy.cfg closes them before."""

# Linger for zero seconds (struct linger of socket(7)), so that closing resets the connection.
_RESET = struct.pack("ii", 1, 0)
_OF_A_BODY = {b"content-length", b"transfer-encoding"}
_NO_HTTP = (HTTPStatus.BAD_REQUEST, "The request is not valid HTTP")
# The parser ignores the body of a request that offers to change the protocol, as Java's client does by default.
_NO_UPGRADE = (
    HTTPStatus.BAD_REQUEST,
    "Only HTTP/1.1 is spoken here: send a body without the header `upgrade` (Java: HttpClient.Version.HTTP_1_1)",
)
_TOO_SLOW = "The request came too slowly"
_HEAD_TOO_LARGE = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"The request's line and headers must not be over {MAX_HEAD_BYTES} bytes",
)


class Connection(HttpToolsProtocol):
    """A connection that is ended when its client exceeds a limit. See docs/decisions/0022-hostile-clients.md."""

    def __init__(self, clients: Clients, **given: Any) -> None:
        super().__init__(**given)
        self.received = 0
        self._clients = clients
        self._head_bytes = 0
        self._part_bytes = 0
        self._in_message = False
        self._latest: RequestResponseCycle | None = None
        self._refusal = _NO_HTTP
        self._next_is_last = False

    @property
    def awaited(self) -> tuple[Awaited, object] | None:
        """What the gateway waits for from the client, and in which request; None if it does not wait."""
        if self.unread:
            return Awaited.READING, None
        if self._in_message:
            return None if self.flow.read_paused else (Awaited.BODY, self.cycle)
        return None if self._answering else (Awaited.REQUEST, self.cycle)

    @property
    def unread(self) -> int:
        """The bytes of answers that wait for the client to read them."""
        return self.transport.get_write_buffer_size()

    @property
    def _answering(self) -> RequestResponseCycle | None:
        """The request that is being answered, or None; `cycle` may be a later request that waits for it."""
        return None if self._latest is None or self._latest.response_complete else self._latest

    def give_up(self) -> None:
        """Stop waiting for the client: answer 408 to a request that has partly arrived, else close the connection."""
        if not self.unread and (self._in_message or self._head_bytes):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, _TOO_SLOW)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection at once."""
        if self.unread:
            # With a reset, because the kernel would otherwise keep the sent data for a client that does not read.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection after its current answer, or after the next answer if it is idle.

        A proxy may be sending a request on it at this moment. If the connection were closed, the proxy could not send
        the request to another gateway, because this one might have accepted it.
        """
        if self._answering:
            super().shutdown()
            return
        self._next_is_last = True
        self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Register the connection."""
        super().connection_made(transport)
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection to the request that is being answered: uvicorn tells only the latest."""
        self._clients.remove(self)
        self.pipeline.clear()
        if answering := self._answering:
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, and refuse a head that exceeds its limit before it ends."""
        self._part_bytes = len(data)
        self.received += self._part_bytes
        was_in_message, latest = self._in_message, self.cycle
        super().data_received(data)
        if was_in_message or self._in_message or self.cycle is not latest:
            self._head_bytes = 0
        else:
            self._head_bytes += self._part_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*_HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Begin to answer a request, or let it wait for the previous one.

        Raises:
            ValueError: if its head is too large, it has a body and offers another protocol, or too many requests wait.
                The error ends the parsing.
        """
        if self._head_bytes + self._part_bytes > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            self._refusal = _HEAD_TOO_LARGE
            raise ValueError("the head is too large")
        if self.parser.should_upgrade() and any(name in _OF_A_BODY for name, _ in self.headers):
            self._refusal = _NO_UPGRADE
            raise ValueError("the body would not be parsed")
        if len(self.pipeline) == MAX_PIPELINED:
            self.hang_up()
            raise ValueError("too many requests wait")
        super().on_headers_complete()
        self._in_message = True
        if self._next_is_last:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request has arrived completely."""
        self._in_message = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Note that the client has much to read."""
        super().pause_writing()
        self._clients.has_to_read(self)

    def resume_writing(self) -> None:
        """Note that the client has read most of it."""
        super().resume_writing()
        self._clients.has_read(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse data that the parser rejects."""
        self._refuse(*self._refusal)

    def _close_if_idle(self) -> None:
        if not self._answering:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Answer a request once most of the previous answer was read, so that only one answer waits for a client."""
        self._latest = cycle
        super()._start_asgi_task(cycle, self._once_read(cycle, app) if self.flow.write_paused else app)

    def _once_read(self, cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
        async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            await self.flow.drain()
            if not cycle.disconnected:
                await app(scope, receive, send)

        return answer

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer and close the connection; without an answer if the client would assign it to another request."""
        answering = self._answering
        is_own = answering is None or (self._in_message and answering is self.cycle and not answering.response_started)
        if not is_own or self.flow.write_paused:
            self.hang_up()
            return
        body = orjson.dumps({"detail": detail})
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        self.transport.close()
