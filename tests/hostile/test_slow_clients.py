"""Clients that send slowly, send too much at once or do not read are cut off, and all other clients are served."""

import asyncio
import itertools
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from ingest_api.http.protocol import MAX_HEAD_BYTES, MAX_PIPELINED
from shared.settings import MIB
from tests.hostile.conftest import MAX_INFLIGHT, MAX_UNREAD
from tests.hostile.memory import Memory
from tests.hostile.wire import Wire, head, wire
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.metrics import scrape
from tests.support.pipeline import Pipeline

BODY = json.dumps({"leads": [{"name": "I", "signal": [1, -1, 1]}]}).encode()
EXPECTED = [{"name": "I", "number_of_zero_crossings": 2}]
JSON = "application/json"
PING = b"GET /health/ping HTTP/1.1\r\nhost: gateway\r\n\r\n"


@pytest_asyncio.fixture(scope="module")
async def token(target: Pipeline) -> str:
    return await target.register("slow")


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


async def others_are_served(target: Pipeline) -> None:
    async with target.client(token=await target.register("punctual")) as client:
        for _ in range(3):
            response = await client.post("/ecgs", content=BODY, headers={"content-type": JSON})
            assert response.status_code == 201, response.text
            assert await insights(client, response.json()["id"]) == EXPECTED


async def inflight(target: Pipeline) -> float:
    metrics = await scrape(int(target.gateways[0].env["ECG_METRICS_PORT"]))
    return metrics("ecg_gateway_inflight_bytes")


@asynccontextmanager
async def wires(target: Pipeline, count: int) -> AsyncIterator[list[Wire]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(wire(target.gateways[0])) for _ in range(count)]


async def dribble(wire: Wire, data: bytes) -> bytes:
    """Send ten bytes a second until the gateway closes the connection, and return its answer."""

    async def send() -> None:
        for byte in data:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    try:
        return await wire.rest()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_head_that_dribbles_is_cut_off(target: Pipeline, token: str) -> None:
    request = head("POST", "/ecgs", token, content_type=JSON, x_padding="x" * 2000)
    async with wires(target, 20) as slow:
        cut = [asyncio.create_task(dribble(one, request)) for one in slow]
        await others_are_served(target)
        answers = await asyncio.gather(*cut)
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert all(b'{"detail":"The request came too slowly"}' in answer for answer in answers)


@pytest.mark.slow
async def test_a_head_that_dribbles_after_an_answer_is_cut_off_too(target: Pipeline) -> None:
    async with wire(target.gateways[0]) as slow:
        await slow.send(PING)
        assert (await slow.answer())[0] == 200
        assert b"408" in await dribble(slow, PING[:-2] + b"x: " + b"x" * 2000)


@pytest.mark.slow
async def test_endless_empty_lines_are_cut_off(target: Pipeline) -> None:
    """HTTP allows empty lines before a request: they do not begin one."""
    async with wire(target.gateways[0]) as slow:
        await slow.send(PING)
        assert (await slow.answer())[0] == 200
        await dribble(slow, b"\r\n" * 2000)


@pytest.mark.slow
async def test_a_body_that_dribbles_is_cut_off(target: Pipeline, token: str) -> None:
    for name, value, begin in (("content-length", "4096", b""), ("transfer-encoding", "chunked", b"1000\r\n")):
        async with wires(target, 20) as slow:
            for one in slow:
                await one.send(head("POST", "/ecgs", token, content_type=JSON, **{name: value}) + begin)
            cut = [asyncio.create_task(dribble(one, b" " * 4096)) for one in slow]
            await others_are_served(target)
            answers = await asyncio.gather(*cut)
        assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert await eventually(lambda: nothing(target), what="nothing of them is held")


async def nothing(target: Pipeline) -> bool | None:
    return True if await inflight(target) == 0 else None


@pytest.mark.slow
async def test_a_body_that_dribbles_after_its_answer_is_cut_off_too(target: Pipeline) -> None:
    async with wire(target.gateways[0]) as slow:
        await slow.send(head("POST", "/ecgs", "nobody's", content_length="100000"))
        assert (await slow.answer())[0] == 401
        await dribble(slow, b" " * 4096)


@pytest.mark.slow
async def test_a_slow_body_above_the_lowest_rate_is_accepted(target: Pipeline, token: str) -> None:
    """The body takes longer than the client timeout, at more than a KiB per second."""
    body = BODY + b" " * 20_000
    async with wire(target.gateways[0]) as slow:
        await slow.send(head("POST", "/ecgs", token, content_type=JSON, content_length=str(len(body))))
        for begin in range(0, len(body), 2048):
            await slow.send(body[begin : begin + 2048])
            await asyncio.sleep(0.4)
        assert (await slow.answer())[0] == 201


async def test_received_bytes_count_against_the_limit_and_announced_ones_do_not(target: Pipeline, token: str) -> None:
    """Fifty bodies of the largest size, several times the gateway's limit, are announced and only begun."""
    part = 200_000
    async with wires(target, 50) as slow:
        for one in slow:
            await one.send(head("POST", "/ecgs", token, content_type=JSON, content_length=str(16 * MIB)) + b" " * part)

        async def all_came() -> bool | None:
            return True if await inflight(target) >= 50 * part else None

        await eventually(all_came, interval=0.02, what="the beginning of every body")
        assert await inflight(target) < 60 * part
        await others_are_served(target)
    await eventually(lambda: nothing(target), what="nothing of them is held")


@pytest.mark.slow
async def test_the_slowest_bodies_do_not_keep_others_out(target: Pipeline, token: str) -> None:
    """Slow bodies fill the gateway's limit and go on at the lowest rate that is allowed; others are accepted still."""
    size = 15 * MIB
    gateway = target.gateways[0]
    memory = Memory(gateway)
    async with wires(target, 8) as slow:
        for one in slow:
            await one.send(head("POST", "/ecgs", token, content_type=JSON, content_length=str(16 * MIB)))

        async def trickle(one: Wire) -> None:
            for _ in range(0, size, 1 << 16):
                await one.send(b" " * (1 << 16))
            while True:
                await one.send(b" " * 4096)
                await asyncio.sleep(0.5)

        trickling = [asyncio.create_task(trickle(one)) for one in slow]

        async def full() -> bool | None:
            return True if await inflight(target) > MAX_INFLIGHT - 5 * MIB else None

        await eventually(full, interval=0.01, what="nothing more may be held")
        async with target.client(token=await target.register("patient")) as client:

            async def accepted() -> bool | None:
                response = await client.post("/ecgs", content=BODY, headers={"content-type": JSON})
                assert response.status_code in (201, 503)
                return True if response.status_code == 201 else None

            # Accepted only after one of the slow bodies was given up.
            large = b" " * (5 * MIB) + BODY

            async def large_accepted() -> bool | None:
                response = await client.post("/ecgs", content=large, headers={"content-type": JSON})
                assert response.status_code in (201, 503)
                return True if response.status_code == 201 else None

            for _ in range(3):
                await eventually(accepted, what="a submission among the slow ones")
                await eventually(large_accepted, what="a large submission among the slow ones")
        for task in trickling:
            task.cancel()
        await asyncio.gather(*trickling, return_exceptions=True)
    # Bodies are held twice for a moment, when their parts are joined.
    assert memory.growth() < 2 * MAX_INFLIGHT + 64 * MIB


async def test_pipelined_requests_are_answered_in_order(target: Pipeline, token: str) -> None:
    async with wire(target.gateways[0]) as one:
        requests = [head("GET", f"/ecgs/{number}/insights", token) for number in range(MAX_PIPELINED)]
        await one.send(b"".join(requests))
        for number in range(MAX_PIPELINED):
            status, body = await one.answer()
            assert (status, json.loads(body)) == (404, {"detail": f"ECG not found for id {number}"})


async def test_too_many_pipelined_requests_are_cut_off(target: Pipeline, token: str) -> None:
    gateway = target.gateways[0]
    memory = Memory(gateway)
    request = head("GET", "/ecgs/x/insights", token)
    async with wires(target, 20) as greedy:
        flood = [asyncio.create_task(one.send(request * 100_000)) for one in greedy]
        await others_are_served(target)
        await asyncio.gather(*(one.rest() for one in greedy))
        await asyncio.gather(*flood)
    assert memory.growth() < 64 * MIB


async def test_a_broken_request_gets_no_400_while_an_earlier_one_is_unanswered(target: Pipeline, token: str) -> None:
    """The submission before the broken request is accepted: its client would take a 400 for the answer to it."""
    submission = head("POST", "/ecgs", token, content_type=JSON, content_length=str(len(BODY))) + BODY
    async with wire(target.gateways[0]) as one:
        await one.send(submission + b"\x00 broken\r\n\r\n")
        # Its own answer, or none because the connection is closed.
        assert (await one.rest())[:13] in (b"HTTP/1.1 201 ", b"")
    async with wire(target.gateways[0]) as one:
        await one.send(b"\x00 broken\r\n\r\n")
        status, body = await one.answer()
        assert (status, json.loads(body)) == (400, {"detail": "The request is not valid HTTP"})


async def test_a_body_with_an_offer_of_another_protocol_is_refused_with_what_to_do(
    target: Pipeline, token: str
) -> None:
    """Java's client makes this offer by default, and the parser then ignores the body."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABk"}
    async with wire(target.gateways[0]) as one:
        await one.send(head("POST", "/ecgs", token, content_length="2", **offer) + b"{}")
        status, body = await one.answer()
        assert (status, "without the header `upgrade`" in json.loads(body)["detail"]) == (400, True)
    async with wire(target.gateways[0]) as one:
        await one.send(head("GET", "/health/ping", "x", **offer))
        assert (await one.answer())[0] == 200


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET", "/health/ping", "x", x_long="x" * MAX_HEAD_BYTES),
        head("GET", "/" + "x" * MAX_HEAD_BYTES, "x"),
        head("GET", "/health/ping", "x", **{f"x_{number}": "x" for number in range(20_000)}),
    ],
    ids=["one long header", "a long path", "many headers"],
)
async def test_a_large_head_is_refused(target: Pipeline, request_head: bytes) -> None:
    answers = set()
    for cut in (len(request_head), 60_000):
        async with wire(target.gateways[0]) as one:
            await one.send(request_head[:cut])
            await one.send(request_head[cut:])
            answers.add((await one.rest())[:13])
    # A client that is still sending may miss it.
    assert {b"HTTP/1.1 431 "} <= answers <= {b"HTTP/1.1 431 ", b""}
    async with wire(target.gateways[0]) as one:
        # Just within the limit.
        await one.send(head("GET", "/health/ping", "x", x_long="x" * (MAX_HEAD_BYTES - 200)))
        assert (await one.answer())[0] == 200


@pytest.mark.slow
async def test_an_endless_head_takes_no_memory(target: Pipeline) -> None:
    gateway = target.gateways[0]
    memory = Memory(gateway)
    async with wires(target, 20) as greedy:
        for one in greedy:
            await one.send(b"GET / HTTP/1.1\r\nx: ")
        flood = [asyncio.create_task(one.send(b"x" * (16 * MIB))) for one in greedy]
        await asyncio.gather(*(one.rest() for one in greedy))
        await asyncio.gather(*flood)
    assert memory.growth() < 64 * MIB


@pytest.mark.slow
async def test_a_thousand_idle_connections_harm_nobody(target: Pipeline) -> None:
    gateway = target.gateways[0]
    memory = Memory(gateway)
    async with wires(target, 1000) as idle:
        await others_are_served(target)
        assert {await one.rest() for one in idle} == {b""}
    assert memory.growth() < 64 * MIB


@pytest_asyncio.fixture(scope="module")
async def large(target: Pipeline, token: str) -> str:
    """The id of an ECG with an answer of many megabytes."""
    signal = list(itertools.islice(itertools.cycle([1000, -1000]), 2_000_000))
    async with target.client(token=token) as client:
        response = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": signal}]})
        assert response.status_code == 201, response.text
        ecg_id = str(response.json()["id"])
        await insights(client, ecg_id)
    return ecg_id


@pytest.mark.slow
async def test_the_memory_of_unread_answers_is_bounded(target: Pipeline, token: str, large: str) -> None:
    """A hundred clients request 11 MB four times each, and read nothing."""
    gateway = target.gateways[0]
    request = head("GET", f"/ecgs/{large}", token)
    memory = Memory(gateway)
    async with wires(target, 100) as deaf:
        for one in deaf:
            one.stop_reading()
            await one.send(request * 4)
        async with target.client(token=token) as client:
            # Without validation, which takes far longer than reading for millions of samples.
            client.event_hooks = {}

            async def read() -> bool | None:
                try:
                    response = await client.get(f"/ecgs/{large}")
                except httpx.RemoteProtocolError:
                    return None
                return True if response.status_code == 200 else None

            await others_are_served(target)
            # A client that reads gets the same answer meanwhile.
            await eventually(read, what="an answer to one who reads")

        async def all_ended() -> bool | None:
            return all(one.ended for one in deaf) or None

        await eventually(all_ended, what="the end of every connection")
        # A margin for the answers that are being built, and for memory that the allocator keeps.
        assert memory.growth() < MAX_UNREAD + 256 * MIB


async def test_a_stream_ends_with_its_connection_despite_pipelined_requests(target: Pipeline, token: str) -> None:
    """The number of streams of a user is limited: each stream that stayed open would leave room for one less."""
    stream = head("GET", "/events", token)
    for _ in range(12):
        async with wire(target.gateways[0]) as one:
            await one.send(stream + PING)
            await one.reader.readuntil(b"retry")

    async def may_open() -> bool | None:
        async with wire(target.gateways[0]) as one:
            await one.send(stream)
            return True if b" 200 " in await one.reader.readuntil(b"\r\n") else None

    await eventually(may_open, 10, what="room for another stream")
