"""Receives large responses of the broker into one buffer.

Without this, reading a fetch of 12 MB takes more than twice the CPU: asyncio's StreamReader receives a response in
parts, appends each to a bytearray that is moved as it grows, stops and starts reading from the socket around each part,
and copies the whole twice at the end. See docs/decisions/0037-the-worker-in-batches.md; not reported upstream.
"""

import asyncio
import io
from collections.abc import Coroutine
from typing import Any, cast

from aiokafka.client import AIOKafkaClient
from typing_extensions import override

# Bytes. Smaller responses gain nothing: a stream receives 256 KiB at once, and the buffer has to be filled with zeros.
_LARGE = 512 * 1024


class BufferedClient(AIOKafkaClient):  # type: ignore[misc]
    """A client whose connections receive large responses into one buffer.

    aiokafka creates the connections with their readers, whose class is therefore changed afterwards.
    """

    @override
    async def _get_conn(self, node_id: Any, **options: Any) -> Any:
        connection = await super()._get_conn(node_id, **options)
        reader: Any = connection._reader if connection is not None else None
        if reader is not None and not isinstance(reader, ResponseReader):
            reader.__class__ = ResponseReader
            reader.transport = connection._writer.transport
        return connection


class ResponseReader(asyncio.StreamReader):
    """A reader of a connection that receives large responses into one buffer.

    Attributes:
        transport: the connection's transport.
    """

    transport: asyncio.Transport

    @override
    def readexactly(self, n: int) -> Coroutine[Any, Any, bytes]:
        """Read exactly `n` bytes.

        Raises:
            IncompleteReadError: if the connection ends before.
            OSError: if the connection is lost.
        """
        return self._receive(n) if n >= _LARGE else super().readexactly(n)

    async def _receive(self, size: int) -> bytes:
        # Takes all that has arrived, so that the stream's own buffer is empty afterwards.
        head = await self.read(size)
        if len(head) == size:
            return head
        if (error := self.exception()) is not None:
            raise error
        if self.at_eof():
            raise asyncio.IncompleteReadError(head, size)
        response = _Response(self.transport, head, size)
        self.transport.set_protocol(response)
        return await response.content()


class _Response(asyncio.BufferedProtocol):
    """A connection's protocol for the rest of one response; afterwards, the connection gets its own protocol back.

    It takes no byte of the next response, and passes every event but the data on to the connection's own protocol.
    """

    def __init__(self, transport: asyncio.Transport, head: bytes, size: int) -> None:
        self._transport = transport
        self._before = cast("asyncio.Protocol", transport.get_protocol())
        self._size = size
        self._received = len(head)
        # CPython does not copy the bytes that a BytesIO is created from, nor its value, if nothing else refers to them.
        self._content = io.BytesIO(bytes(size))
        self._content.write(head)
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def content(self) -> bytes:
        """Return the whole response as soon as it has arrived.

        Raises:
            IncompleteReadError: if the connection ends before.
            OSError: if the connection is lost.
        """
        await self._complete
        return self._content.getvalue()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._content.getbuffer()[self._received :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._received += nbytes
        if self._received == self._size:
            self._transport.set_protocol(self._before)
            if not self._complete.done():
                self._complete.set_result(None)

    @override
    def eof_received(self) -> bool | None:
        self._fail(None)
        return self._before.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc)
        self._before.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._before.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._before.resume_writing()

    def _fail(self, error: Exception | None) -> None:
        if not self._complete.done():
            partial = bytes(self._content.getbuffer()[: self._received])
            self._complete.set_exception(error or asyncio.IncompleteReadError(partial, self._size))
