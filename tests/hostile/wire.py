"""HTTP over raw connections, to misbehave as no HTTP client would."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.pipeline import Gateway

# The first byte of struct tcp_info, in linux/tcp.h: the connection's state.
_TCP_CLOSE = 7


class Wire:
    """A connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes, ignoring that the gateway may have closed the connection: reading shows that."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def rest(self, timeout: float = 30) -> bytes:
        """Return all bytes until the gateway closes the connection; fail if it does not in time (seconds)."""
        received = b""
        async with asyncio.timeout(timeout):
            with contextlib.suppress(ConnectionError):
                while part := await self.reader.read(1 << 16):
                    received += part
        return received

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head)
        return int(head.split()[1]), await self.reader.readexactly(int(length[1]) if length else 0)

    def stop_reading(self) -> None:
        """Stop reading from the socket."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    @property
    def ended(self) -> bool:
        """Whether the operating system knows that the connection has ended, though its data has not been read."""
        information = self._writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(information[0] == _TCP_CLOSE)

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def wire(gateway: Gateway, window: int | None = None) -> AsyncIterator[Wire]:
    """Open a connection to a gateway; `window` limits the bytes that the reader buffers."""
    url = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=window or 1 << 16)
    wire = Wire(reader, writer)
    try:
        yield wire
    finally:
        wire.close()


def head(method: str, path: str, token: str, **headers: str) -> bytes:
    """Return the request line and the headers of a request."""
    named = {"host": "gateway", "x-user-token": token, **{name.replace("_", "-"): v for name, v in headers.items()}}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
