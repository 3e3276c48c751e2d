"""Large responses of a broker are received into one buffer, in whatever parts they arrive."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import SaslAuthenticateRequest

from local_stack.certificates import Authority
from shared.settings import Settings
from stream_agents.app import create_app
from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.faust_fixes.response_buffer import BufferedClient, ResponseReader

Respond = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]

NODE = 0
MIB = 1 << 20
SIZES = [0, 1, 1000, MIB // 2 - 13, MIB // 2 - 12, MIB // 2 - 11, MIB // 2, MIB, 5 * MIB + 7, 3]
_API_VERSIONS, _AUTHENTICATE = 18, 36


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def whole(writer: asyncio.StreamWriter, response: bytes) -> None:
    writer.write(response)


async def in_parts(writer: asyncio.StreamWriter, response: bytes) -> None:
    for start in range(0, len(response), 99_991):
        writer.write(response[start : start + 99_991])
        await writer.drain()
        await asyncio.sleep(0)


@asynccontextmanager
async def broker(respond: Respond, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a broker that answers a request for n bytes, in the form of a login, and yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                [size] = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                key, _, correlation = struct.unpack(">hhi", request[:8])
                if key == _API_VERSIONS:
                    body = struct.pack(">hihhh", 0, 1, _AUTHENTICATE, 0, 0)
                else:
                    found = content(int(request.rpartition(b"bytes:")[2]))
                    body = struct.pack(">hhi", 0, -1, len(found)) + found
                response = struct.pack(">ii", len(body) + 4, correlation) + body
                await (whole if key == _API_VERSIONS else respond)(writer, response)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[AIOKafkaClient]:
    client = BufferedClient(bootstrap_servers=f"127.0.0.1:{port}")
    protocol = "SSL" if context else "PLAINTEXT"
    connection = await create_conn("127.0.0.1", port, ssl_context=context, security_protocol=protocol)
    client._conns[NODE, ConnectionGroup.DEFAULT] = connection
    try:
        yield client
    finally:
        await connection.close()


async def ask(client: AIOKafkaClient, size: int) -> bytes:
    response = await client.send(NODE, SaslAuthenticateRequest(b"bytes:%d" % size))
    return cast("bytes", response.sasl_auth_bytes)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority.make(tmp_path_factory.mktemp("authority"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*authority.issue("broker"))
    return server, ssl.create_default_context(cafile=authority.certificate)


@pytest.mark.parametrize("respond", [whole, in_parts])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_responses_of_all_sizes_arrive_as_they_were_sent(
    respond: Respond, encrypted: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, trusting = contexts if encrypted else (None, None)
    async with broker(respond, server) as port, connected(port, trusting) as client:
        for size in SIZES:
            assert await ask(client, size) == content(size)
        # All requests are sent before the first response is read.
        answers = await asyncio.gather(*(ask(client, size) for size in SIZES))
        assert answers == [content(size) for size in SIZES]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_large_response_does_not_pass_through_the_stream(
    encrypted: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    feed = ResponseReader.feed_data

    def counted(reader: ResponseReader, data: bytes) -> None:
        fed.append(len(data))
        feed(reader, data)

    monkeypatch.setattr(ResponseReader, "feed_data", counted)
    server, trusting = contexts if encrypted else (None, None)
    async with broker(in_parts, server) as port, connected(port, trusting) as client:
        assert await ask(client, 8 * MIB) == content(8 * MIB)
        assert 0 < sum(fed) < 2 * MIB
        assert await ask(client, 10) == content(10)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_connection_that_ends_within_a_response_fails_the_request(
    encrypted: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def half(writer: asyncio.StreamWriter, response: bytes) -> None:
        await in_parts(writer, response[: len(response) // 2])
        raise OSError

    server, trusting = contexts if encrypted else (None, None)
    async with broker(half, server) as port, connected(port, trusting) as client:
        connection = await client._get_conn(NODE)
        with pytest.raises(KafkaConnectionError):
            await asyncio.wait_for(ask(client, 4 * MIB), 10)
        assert not connection.connected()


@pytest.mark.parametrize("abort", [False, True])
async def test_a_response_that_is_cut_behind_its_head_fails_the_request(abort: bool) -> None:
    """The connection ends before the rest of the response is awaited."""

    async def cut(writer: asyncio.StreamWriter, response: bytes) -> None:
        writer.write(response[:50])
        await writer.drain()
        if abort:
            writer.transport.abort()
        raise OSError

    async with broker(cut) as port, connected(port) as client:
        with pytest.raises(KafkaConnectionError):
            await asyncio.wait_for(ask(client, MIB), 10)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_client_closes_within_a_response(
    encrypted: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    begun = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter, response: bytes) -> None:
        await in_parts(writer, response[: 3 * MIB])
        begun.set()

    server, trusting = contexts if encrypted else (None, None)
    async with broker(endless, server) as port, connected(port, trusting) as client:
        connection: AIOKafkaConnection = await client._get_conn(NODE)
        asked = asyncio.create_task(ask(client, 4 * MIB))
        await begun.wait()
        await asyncio.wait_for(connection.close(), 10)
        with pytest.raises((KafkaConnectionError, asyncio.CancelledError)):
            await asked


async def test_the_end_is_noticed_after_the_first_part_was_read() -> None:
    """Both happen in the same turn of the event loop, so that no further event arrives."""
    reader = ResponseReader()
    reader.feed_data(b"some")
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as error:
        await reader.readexactly(MIB)
    assert (error.value.partial, error.value.expected) == (b"some", MIB)


async def test_a_worker_receives_with_this_client(tmp_path: Path) -> None:
    app = create_app(Settings.model_validate({"secret": "s" * 32, "data_dir": tmp_path}))
    thread = cast("Consumer", app.consumer)._new_consumer_thread()
    assert type(thread._create_worker_consumer(cast("Any", app.transport))._client) is BufferedClient
