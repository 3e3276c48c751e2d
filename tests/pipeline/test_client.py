"""The Python clients, blocking and asynchronous, with real gateways and with a scripted server."""

import asyncio
import contextlib
import inspect
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from ecg_client import (
    AsyncEcgClient,
    ClientError,
    EcgClient,
    Event,
    InvalidEcg,
    Lead,
    NotFound,
    NotProcessable,
    Recording,
    StillProcessing,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    read,
)
from ecg_client.idempotency import idempotency_key
from ecg_client.requests import encode
from local_stack.broker import free_port
from shared.encoding import packed
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.pipeline import ADMIN_TOKEN, SECRET, Pipeline

RECORDING = Recording.of([("I", [1, 0, -1, 0, 1, 0, 0, 1]), ("II", np.array([1, 0, -1], ">i2"))], "2026-11-24")
TOKEN = "ecg_secret-token"

Call = Callable[..., Any]


@pytest_asyncio.fixture(params=[EcgClient, AsyncEcgClient])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Call]]:
    """A function that makes clients of one kind; a client is a function that awaits the named call."""
    opened: list[EcgClient | AsyncEcgClient] = []

    def make(*arguments: Any, **options: Any) -> Call:
        client: EcgClient | AsyncEcgClient = request.param(*arguments, **options)
        opened.append(client)

        async def call(name: str, *arguments: Any, **options: Any) -> Any:
            method = getattr(client, name)
            if inspect.isasyncgenfunction(method):
                return [item async for item in method(*arguments, **options)]
            if inspect.isgeneratorfunction(method):
                return await asyncio.to_thread(lambda: list(method(*arguments, **options)))
            if isinstance(client, AsyncEcgClient):
                return await method(*arguments, **options)
            return await asyncio.to_thread(method, *arguments, **options)

        return call

    yield make
    for client in opened:
        await client.close() if isinstance(client, AsyncEcgClient) else client.close()


async def test_a_recording_is_submitted_and_its_insights_are_read(
    pipeline: Pipeline, connect: Callable[..., Call]
) -> None:
    url = pipeline.gateways[0].url
    user = await connect(url)("register_user", "client", ADMIN_TOKEN)
    assert user.username == "client"
    assert user.token not in repr(user)
    client = connect(url, user.token)
    ecg_id = await client("submit", RECORDING)
    insights = await client("wait_for_insights", ecg_id)
    assert insights.ecg_id == ecg_id
    assert [(lead.name, lead.number_of_zero_crossings) for lead in insights.leads] == [("I", 3), ("II", 1)]
    assert await client("insights", ecg_id) == insights


async def test_ecgs_are_listed_and_read_back(pipeline: Pipeline, connect: Callable[..., Call]) -> None:
    name = f"client-reading-{uuid.uuid4()}"
    client = connect(pipeline.gateways[0].url, await pipeline.register(name))
    recording = Recording.of(
        [("I", [1, -(2**63)]), ("II", [])], "2026-11-24", sampling_rate=500, adc_gain=200, label="rest 1"
    )
    ids = [await client("submit", recording, f"key-{number}") for number in range(3)]
    for ecg_id in ids:
        await client("wait_for_insights", ecg_id)
    listed = await client("ecgs")
    assert {ecg.id for ecg in listed} == set(ids)
    assert [ecg.accepted_at for ecg in listed] == sorted((ecg.accepted_at for ecg in listed), reverse=True)
    assert {(ecg.date, ecg.status, ecg.error) for ecg in listed} == {("2026-11-24", "done", None)}
    assert {ecg.label for ecg in listed} == {"rest 1"}
    assert [ecg.id for ecg in await client("ecgs", "rest")] == [ecg.id for ecg in listed]
    assert await client("ecgs", "night") == []
    assert [(lead.name, lead.number_of_samples, lead.number_of_zero_crossings) for lead in listed[0].leads] == [
        ("I", 2, 1),
        ("II", 0, 0),
    ]
    stored = await client("ecg", listed[0].id)
    assert (stored.id, stored.accepted_at) == (listed[0].id, listed[0].accepted_at)
    assert encode(stored.recording) == encode(recording)
    with pytest.raises(NotFound):
        await client("ecg", "unknown")


@pytest.mark.parametrize("count", [200, 401])
async def test_all_pages_of_the_list_are_read(pipeline: Pipeline, connect: Callable[..., Call], count: int) -> None:
    name = f"client-pages-{uuid.uuid4()}"
    token = await pipeline.register(name)
    topic = Topics(pipeline.settings).submissions.name
    ids = [str(uuid.uuid4()) for _ in range(count)]
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        for ecg_id in ids:
            body = {"id": ecg_id, "username": name, "leads": [{"name": "I", "signal": [1]}]}
            await producer.send_and_wait(topic, json.dumps(body).encode(), ecg_id.encode())
    client = connect(pipeline.gateways[0].url, token)

    async def all_there() -> list[str] | None:
        listed = [ecg.id for ecg in await client("ecgs")]
        return listed if len(listed) == count else None

    assert sorted(await eventually(all_there, what="the whole list")) == sorted(ids)


async def test_the_same_key_and_content_are_the_same_ecg(pipeline: Pipeline, connect: Callable[..., Call]) -> None:
    token = await pipeline.register("client-keyed")
    one, other = (connect(gateway.url, token) for gateway in pipeline.gateways[:2])
    first = await one("submit", RECORDING, "key-1")
    assert await other("submit", RECORDING, idempotency_key="key-1") == first
    assert await one("submit", RECORDING, "key-2") != first
    assert await one("submit", RECORDING) != await one("submit", RECORDING)


async def test_an_ecg_is_erased(pipeline: Pipeline, connect: Callable[..., Call]) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register("client-erasing"))
    ecg_id = await client("submit", RECORDING)
    await client("wait_for_insights", ecg_id)
    assert await client("erase", ecg_id) is True
    for name in ("insights", "ecg"):
        with pytest.raises(NotFound):
            await client(name, ecg_id)
    with pytest.raises(NotFound, match=r"^ECG not found for id not-mine$"):
        await client("erase", "not-mine")


async def test_an_erased_ecg_that_is_submitted_again_is_waited_for(
    pipeline: Pipeline, connect: Callable[..., Call]
) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register("client-restoring"))
    for _ in range(5):
        ecg_id = await client("submit", RECORDING, "restored")
        found = await client("wait_for_insights", ecg_id, submitted=True)
        assert [lead.number_of_zero_crossings for lead in found.leads] == [3, 1]
        assert await client("erase", ecg_id) is True
    # Without a submission an erased ECG is not waited for.
    with pytest.raises(NotFound, match=ecg_id):
        await client("wait_for_insights", ecg_id, timeout=3600)


async def test_an_erasure_that_waits_for_a_worker_returns_false(
    new_pipeline: Callable[..., Pipeline], connect: Callable[..., Call]
) -> None:
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="0.5")
    pipeline.start_gateway()
    await pipeline.alive()
    url = pipeline.gateways[0].url
    client = connect(url, await pipeline.register("client-erasing"))
    assert await client("erase", await client("submit", RECORDING)) is False
    assert await client("delete_user", "client-erasing", ADMIN_TOKEN) is False


async def test_the_administrator_lists_and_deletes_users(pipeline: Pipeline, connect: Callable[..., Call]) -> None:
    url = pipeline.gateways[0].url
    client = connect(url)
    user = await client("register_user", "client/leaving", ADMIN_TOKEN, expires_in=3600)
    assert user.expires_at > datetime.now(UTC) + timedelta(minutes=59)
    [listed] = [found for found in await client("users", ADMIN_TOKEN) if found.username == "client/leaving"]
    assert (listed.created_at <= listed.issued_at, listed.expires_at) == (True, user.expires_at)
    assert await client("delete_user", "client/leaving", ADMIN_TOKEN) is True
    with pytest.raises(Unauthorized):
        await connect(url, user.token)("insights", "any")
    with pytest.raises(NotFound, match=r"^User not found: client/leaving$"):
        await client("delete_user", "client/leaving", ADMIN_TOKEN)
    assert "client/leaving" not in [found.username for found in await client("users", ADMIN_TOKEN)]
    with pytest.raises(InvalidEcg) as error:
        await client("register_user", "client/leaving", ADMIN_TOKEN, expires_in=0)
    assert error.value.field == "expires_in"


async def test_all_pages_of_users_are_read(new_pipeline: Callable[..., Pipeline], connect: Callable[..., Call]) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    names = [f"user-{number:03}" for number in range(205)]
    await asyncio.gather(*map(pipeline.register, names))
    listed = await connect(pipeline.gateways[0].url)("users", ADMIN_TOKEN)
    assert [user.username for user in listed] == names


async def test_every_refusal_has_its_error_and_names_the_field(
    pipeline: Pipeline, connect: Callable[..., Call]
) -> None:
    url, token = pipeline.gateways[0].url, await pipeline.register("client-refused")
    client = connect(url, token)
    for wrong in (connect(url, "wrong"), connect(url)):
        with pytest.raises(Unauthorized):
            await wrong("submit", RECORDING)
    with pytest.raises(Unauthorized, match="Invalid admin token"):
        await connect(url)("register_user", "client", "wrong")
    with pytest.raises(InvalidEcg) as error:
        await connect(url)("register_user", " ", ADMIN_TOKEN)
    assert error.value.field == "username"
    with pytest.raises(InvalidEcg) as error:
        await client("submit", Recording(()))
    assert error.value.field == "leads"
    for key in ("", "a b", "é", "x" * 256):
        with pytest.raises(InvalidEcg) as error:
            await client("submit", RECORDING, key)
        assert error.value.field == "idempotency-key"
    with pytest.raises(InvalidEcg, match=r"body: must not be over 16777216 bytes") as error:
        await client("submit", Recording.of({"I": np.zeros(17_000_000, np.int8)}))
    assert error.value.field == "body"
    unknown = IdIssuer(SECRET).issue("somebody else")
    for call in ("insights", "wait_for_insights"):
        with pytest.raises(NotFound, match=unknown):
            await client(call, unknown)
    with pytest.raises(NotFound):
        await client("insights", "../users?/é")


async def test_pending_and_failed_ecgs_are_told_apart(pipeline: Pipeline, connect: Callable[..., Call]) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register("client-waiting"))
    ecg_id = IdIssuer(SECRET).issue("client-waiting")
    assert await client("insights", ecg_id) is None
    with pytest.raises(StillProcessing, match=r"within 0\.1 s"):
        await client("wait_for_insights", ecg_id, timeout=0.1)
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        headers = [("content-type", b"application/vnd.ecg.v9"), ("username", b"client-waiting")]
        topic = Topics(pipeline.settings).submissions.name
        await producer.send_and_wait(topic, b"?", ecg_id.encode(), headers=headers)
    with pytest.raises(NotProcessable, match="content-type: "):
        await client("wait_for_insights", ecg_id)


async def test_an_ecg_that_is_still_to_be_produced_is_waited_for(
    pipeline: Pipeline, connect: Callable[..., Call]
) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register("client-device"))
    with pytest.raises(NotFound):
        await client("wait_for_insights", "never-produced", timeout=0.1)
    ecg_id = str(uuid.uuid4())
    waiting = asyncio.create_task(client("wait_for_insights", ecg_id))
    body = {"id": ecg_id, "username": "client-device", "leads": [{"name": "I", "signal": [1, -1]}]}
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        await producer.send_and_wait(
            Topics(pipeline.settings).submissions.name, json.dumps(body).encode(), ecg_id.encode()
        )
    assert (await waiting).leads[0].number_of_zero_crossings == 1


class Scripted(ThreadingHTTPServer):
    """A server that gives scripted answers, and records the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.decide: Callable[[Handler], tuple[int, dict[str, str], bytes]] = lambda _: self.answers.pop(0)
        self.requests: list[tuple[float, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((time.monotonic(), headers, body))
        status, answered, content = self.server.decide(self)
        if not status:
            return  # closes the connection without an answer
        self.send_response(status)
        for name, value in {**answered, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


ACCEPTED: tuple[int, dict[str, str], bytes] = (201, {}, b'{"id": "abc"}')


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with Scripted() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


async def test_a_submission_is_retried_with_its_key_after_the_requested_pause(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    not_now = (503, {"retry-after": "1"}, b'{"detail": "not acknowledged, try again"}')
    over = (429, {"retry-after": "2"}, b'{"detail": "Over the quota of 5 ECGs or chunks a minute, try again later"}')
    scripted.answers = [not_now, over, (0, {}, b""), (502, {}, b"<html>"), ACCEPTED]
    assert await connect(scripted.url, TOKEN)("submit", RECORDING) == "abc"
    times, headers, bodies = zip(*scripted.requests, strict=True)
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 2
    assert len({sent["idempotency-key"] for sent in headers}) == len(set(bodies)) == 1


async def test_a_file_is_submitted_with_its_own_key_unless_the_caller_gives_one(
    scripted: Scripted, connect: Callable[..., Call], tmp_path: Path
) -> None:
    file = tmp_path / "rest.csv"
    file.write_text("I,II\n1,2\n0,-1\n")
    client = connect(scripted.url, TOKEN)
    scripted.answers = [ACCEPTED] * 5
    for _ in range(2):
        await client("submit", read(file))
    await client("submit", read(file), idempotency_key="another")
    for _ in range(2):
        await client("submit", RECORDING)
    one, again, other, *new = [headers["idempotency-key"] for _, headers, _ in scripted.requests]
    assert one == again == idempotency_key(read(file))
    assert other == "another"
    assert len(set(new)) == 2


OLDER: tuple[int, dict[str, str], bytes] = (
    415,
    {},
    b'{"detail": "content-type: must be application/json", "field": "content-type"}',
)


def encodings(scripted: Scripted) -> list[str]:
    return [headers["content-type"] for _, headers, _ in scripted.requests]


async def test_recordings_are_sent_packed_with_the_narrowest_samples(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    scripted.answers = [ACCEPTED]
    await connect(scripted.url, TOKEN)("submit", RECORDING)
    [(_, _, body)] = scripted.requests
    assert encodings(scripted) == [packed.CONTENT_TYPE]
    first, second = packed.decode_content(body, only_known=True).leads
    assert (first.signal.dtype.name, first.signal.tolist()) == ("int8", [1, 0, -1, 0, 1, 0, 0, 1])
    assert (second.signal.dtype.name, second.signal.tolist()) == ("int8", [1, 0, -1])


async def test_an_older_gateway_gets_json_with_the_same_key_from_then_on(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    # The first gateway may have taken the ECG before it failed.
    scripted.answers = [(502, {}, b""), OLDER, ACCEPTED, ACCEPTED]
    client = connect(scripted.url, TOKEN)
    assert await client("submit", RECORDING) == "abc"
    assert encodings(scripted) == [packed.CONTENT_TYPE] * 2 + ["application/json"]
    assert len({headers["idempotency-key"] for _, headers, _ in scripted.requests}) == 1
    assert scripted.requests[2][2] == encode(RECORDING)
    await client("submit", RECORDING)
    assert encodings(scripted)[3:] == ["application/json"]


async def test_every_submission_at_once_falls_back_to_json(scripted: Scripted, connect: Callable[..., Call]) -> None:
    client = connect(scripted.url, TOKEN)
    together = threading.Barrier(3)

    def held(request: Handler) -> tuple[int, dict[str, str], bytes]:
        """Answer all three only when all three were sent."""
        if request.headers["content-type"] == "application/json":
            return ACCEPTED
        together.wait(10)
        return OLDER

    scripted.decide = held
    assert await asyncio.gather(*(client("submit", RECORDING) for _ in range(3))) == ["abc"] * 3
    assert sorted(encodings(scripted)) == ["application/json"] * 3 + [packed.CONTENT_TYPE] * 3


def batched(scripted: Scripted, number: int = -1) -> list[dict[str, Any]]:
    """Return the submissions of a batch that the server received."""
    return list(msgspec.msgpack.decode(scripted.requests[number][2]))


async def test_recordings_are_submitted_together_and_answered_for_themselves(
    pipeline: Pipeline, connect: Callable[..., Call]
) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register(f"client-batch-{uuid.uuid4()}"))
    broken = Recording((Lead("", np.array([1])),))
    fractions = Recording((Lead("I", np.array([0.5])),))
    first, no_name, no_integers, last = await client("submit_all", [RECORDING, broken, fractions, RECORDING])
    assert isinstance(first, str)
    assert isinstance(last, str)
    assert first != last
    assert isinstance(no_name, InvalidEcg)
    assert no_name.field == "leads[0].name"
    assert isinstance(no_integers, InvalidEcg)
    assert no_integers.field == "leads[0].signal"
    for ecg_id in (first, last):
        insights = await client("wait_for_insights", ecg_id)
        assert [lead.number_of_zero_crossings for lead in insights.leads] == [3, 1]
    assert await client("submit_all", []) == []


async def test_a_file_in_a_batch_is_the_same_ecg_as_alone(
    pipeline: Pipeline, connect: Callable[..., Call], tmp_path: Path
) -> None:
    client = connect(pipeline.gateways[0].url, await pipeline.register(f"client-batch-{uuid.uuid4()}"))
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for number, file in enumerate(files):
        file.write_text(json.dumps({"leads": [{"name": "I", "signal": [number, -1]}]}))
    alone = [await client("submit", read(file)) for file in files]
    assert await client("submit_all", [read(file) for file in files]) == alone


async def test_what_a_batch_could_not_store_yet_is_sent_again_alone_with_its_key(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    not_now = {"status": 503, "detail": "try again", "retry_after": 1}
    over = {"status": 429, "detail": "over the quota", "retry_after": 1}
    answers = {"ecgs": [{"id": "a"}, not_now, {"status": 413, "detail": "body: too large"}, over]}
    scripted.answers = [(503, {"retry-after": "0"}, b""), (200, {}, json.dumps(answers).encode()), ACCEPTED, ACCEPTED]
    one, two, three, four = await connect(scripted.url, TOKEN)("submit_all", [RECORDING] * 4)
    assert (one, two, four) == ("a", "abc", "abc")
    assert isinstance(three, InvalidEcg)
    keys = [one["idempotency_key"] for one in batched(scripted, 1)]
    assert keys == [one["idempotency_key"] for one in batched(scripted, 0)]
    assert [headers.get("idempotency-key") for _, headers, _ in scripted.requests[2:]] == [keys[1], keys[3]]


@pytest.mark.parametrize("status", [404, 405, 413, 415])
async def test_where_no_batch_is_taken_each_is_sent_alone(
    scripted: Scripted, connect: Callable[..., Call], status: int
) -> None:
    scripted.answers = [(status, {}, b'{"detail": "no"}'), *[ACCEPTED] * 4]
    client = connect(scripted.url, TOKEN)
    assert await client("submit_all", [RECORDING] * 2) == ["abc"] * 2
    assert len(scripted.requests) == 3
    keys = [one["idempotency_key"] for one in batched(scripted, 0)]
    assert [headers["idempotency-key"] for _, headers, _ in scripted.requests[1:]] == keys
    if status in (404, 405):
        # An older gateway is not asked again.
        assert await client("submit_all", [RECORDING] * 2) == ["abc"] * 2
        assert len(scripted.requests) == 5


async def test_an_answer_for_another_number_of_ecgs_is_an_error(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    scripted.answers = [(200, {}, b'{"ecgs": [{"id": "abc"}]}')]
    with pytest.raises(UnexpectedAnswer):
        await connect(scripted.url, TOKEN)("submit_all", [RECORDING] * 2)


async def test_batches_are_bounded_in_number_and_size(scripted: Scripted, connect: Callable[..., Call]) -> None:
    large = Recording.of({"I": np.zeros(1_500_000, np.int16)})

    def accept(request: Handler) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/ecgs":
            return ACCEPTED
        return 200, {}, json.dumps({"ecgs": [{"id": "abc"}] * len(batched(scripted))}).encode()

    scripted.decide = accept
    assert await connect(scripted.url, TOKEN)("submit_all", [RECORDING] * 257 + [large] * 2) == ["abc"] * 259
    sizes = [
        len(msgspec.msgpack.decode(body)) if isinstance(msgspec.msgpack.decode(body), list) else 1
        for _, _, body in scripted.requests
    ]
    assert sizes == [256, 2, 1]


async def test_a_refusal_of_json_is_an_error(scripted: Scripted, connect: Callable[..., Call]) -> None:
    scripted.answers = [OLDER, OLDER]
    with pytest.raises(InvalidEcg, match="content-type: must be"):
        await connect(scripted.url, TOKEN)("submit", RECORDING)


@pytest.mark.parametrize(
    ("signal", "encoding"),
    [
        # One large sample widens the whole lead.
        (np.array([0] * 100 + [2**40]), "application/json"),
        (np.array([2**40] * 100), packed.CONTENT_TYPE),
        (np.array([1, 2, 3], np.uint64), "application/json"),
        (np.array([0.5]), "application/json"),
    ],
)
async def test_json_is_sent_where_it_is_smaller_or_packing_is_impossible(
    scripted: Scripted, connect: Callable[..., Call], signal: Any, encoding: str
) -> None:
    scripted.answers = [ACCEPTED]
    await connect(scripted.url, TOKEN)("submit", Recording((Lead("I", signal),)))
    assert encodings(scripted) == [encoding]


@pytest.mark.parametrize("answers_packed", [True, False], ids=["a newer gateway", "an older gateway"])
async def test_an_ecg_is_read_in_the_encoding_that_the_gateway_gives(
    scripted: Scripted, connect: Callable[..., Call], answers_packed: bool
) -> None:
    document = {"id": "abc", "accepted_at": "2026-11-24T10:00:00.123Z", "date": None, "sampling_rate": 500.0}
    if answers_packed:
        body = msgspec.msgpack.encode(
            document | {"leads": [{"name": "I", "dtype": "int16", "signal": b"\x01\x00\xff\xff"}]}
        )
    else:
        body = json.dumps(document | {"leads": [{"name": "I", "signal": [1, -1]}]}).encode()
    scripted.answers = [(200, {"content-type": packed.CONTENT_TYPE if answers_packed else "application/json"}, body)]
    ecg = await connect(scripted.url, TOKEN)("ecg", "abc")
    assert scripted.requests[0][1]["accept"] == f"{packed.CONTENT_TYPE}, application/json;q=0.9"
    assert (ecg.id, ecg.accepted_at.year, ecg.recording.sampling_rate) == ("abc", 2026, 500.0)
    signal = ecg.recording.leads[0].signal
    assert signal.tolist() == [1, -1]
    signal[0] = 2  # the caller's own


async def test_the_gateway_waits_for_insights_instead_of_the_client(
    scripted: Scripted, connect: Callable[..., Call]
) -> None:
    """The client asks the gateway to wait, and pauses itself only after an answer that came too soon."""
    done: tuple[int, dict[str, str], bytes] = (200, {}, b'{"ecg_id": "abc", "leads": []}')
    pending: tuple[int, dict[str, str], bytes] = (202, {}, b'{"detail": "Insights are still being processed"}')
    scripted.answers = [pending, done, pending, pending, done]
    client = connect(scripted.url, TOKEN)
    assert (await client("wait_for_insights", "abc", timeout=9.5)).leads == ()
    assert [headers.get("prefer") for _, headers, _ in scripted.requests] == ["wait=9"] * 2
    assert (await client("wait_for_insights", "abc", timeout=0.9)).leads == ()
    assert [headers.get("prefer") for _, headers, _ in scripted.requests[2:]] == [None] * 3


async def read_until(client: EcgClient | AsyncEcgClient, ecg_id: str, last_id: str | None = None) -> list[Event]:
    """Read events up to the event of an ECG."""
    events: list[Event] = []

    def blocking() -> None:
        assert isinstance(client, EcgClient)
        for event in client.events(last_id):
            events.append(event)
            if event.ecg_id == ecg_id:
                return

    if isinstance(client, EcgClient):
        await asyncio.to_thread(blocking)
        return events
    async with contextlib.aclosing(client.events(last_id)) as stream:
        async for event in stream:
            events.append(event)
            if event.ecg_id == ecg_id:
                break
    return events


EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize("kind", [EcgClient, AsyncEcgClient])
async def test_a_stream_is_opened_again_where_it_ended(
    scripted: Scripted, kind: type[EcgClient] | type[AsyncEcgClient]
) -> None:
    name = "\u2028"  # ends a line in Python, but not in a stream of events
    lead = f'{{"name": "{name}", "number_of_zero_crossings": 3}}'
    one = f'event: insights\ndata: {{"ecg_id": "1", "leads": [{lead}]}}\nid: p1\n\n'
    two = 'event: failed\ndata: {"ecg_id": "2", "detail": "no leads"}\nid: p3\n\n'
    scripted.answers = [
        (200, EVENT_STREAM, f"retry: 1000\nid: p0\n\n{one}: keep-alive\nid: p2\n\nevent: insights\ndata: {{".encode()),
        (0, {}, b""),
        (429, {"retry-after": "1"}, b'{"detail": "More than 32 streams"}'),
        (200, EVENT_STREAM, two.encode()),
    ]
    events = await read_until(kind(scripted.url, TOKEN), "2", "p")
    assert [(event.id, event.ecg_id, event.error) for event in events] == [("p1", "1", None), ("p3", "2", "no leads")]
    assert events[0].insights is not None
    assert events[0].insights.leads[0].name == name
    assert [headers.get("last-event-id") for _, headers, _ in scripted.requests] == ["p", "p2", "p2", "p2"]
    assert scripted.requests[3][0] - scripted.requests[2][0] >= 1


@pytest.mark.parametrize("kind", [EcgClient, AsyncEcgClient])
async def test_a_stream_follows_a_user_and_ends_with_the_error_that_says_why(
    pipeline: Pipeline, kind: type[EcgClient] | type[AsyncEcgClient]
) -> None:
    token = await pipeline.register(f"client-{kind.__name__}")
    async with AsyncEcgClient(pipeline.gateways[1].url, token) as other:
        async with contextlib.aclosing(other.events()) as events:
            following = asyncio.create_task(anext(events))
            ids = await _submit_until(other, following)
            event = await following
        assert event.ecg_id in ids
        assert event.insights == await other.wait_for_insights(event.ecg_id)
        late = await other.submit(RECORDING)
    client = kind(pipeline.gateways[0].url, token)
    later = [event.ecg_id for event in await read_until(client, late, event.id)]
    assert late in later
    assert {*later} <= {*ids, late} - {event.ecg_id}
    with pytest.raises(InvalidEcg) as error:
        await read_until(client, "", "p")
    assert error.value.field == "last-event-id"
    with pytest.raises(Unauthorized):
        await read_until(kind(pipeline.gateways[0].url, "wrong"), "")
    with pytest.raises(Unavailable):
        await read_until(kind(f"http://127.0.0.1:{free_port()}", TOKEN, retry_for=0.2), "")


async def _submit_until(client: AsyncEcgClient, done: asyncio.Task[Event]) -> list[str]:
    """Submit ECGs until an event comes: those submitted before the stream is open have none."""
    ids = []
    while not done.done():
        ids.append(await client.submit(RECORDING))
        await asyncio.wait([done], timeout=0.1)
    return ids


async def test_the_client_gives_up_after_its_retry_time(scripted: Scripted, connect: Callable[..., Call]) -> None:
    scripted.answers = [(503, {"retry-after": "3600"}, b'{"detail": "try again"}')]
    client = connect(scripted.url, TOKEN, retry_for=5)
    with pytest.raises(Unavailable, match=r"^try again$") as error:
        await client("submit", RECORDING)
    assert error.value.retry_after == 3600
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=rf"^the gateway at {url} does not answer \(ConnectError\)$"):
        await connect(url, TOKEN, retry_for=0.2)("submit", RECORDING)


@pytest.mark.parametrize("answer", [(200, {}, b"<html>"), (404, {}, b"nothing here"), (201, {}, b"[]"), (201, {}, b"")])
async def test_a_server_that_is_not_a_gateway_is_reported(
    scripted: Scripted, connect: Callable[..., Call], answer: tuple[int, dict[str, str], bytes]
) -> None:
    scripted.answers = [answer]
    with pytest.raises(UnexpectedAnswer, match="which is no answer of a gateway"):
        await connect(scripted.url, TOKEN)("submit", RECORDING)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "é"])
async def test_a_token_that_cannot_be_sent_is_in_no_error(connect: Callable[..., Call], token: str) -> None:
    with pytest.raises(ClientError) as error:
        connect("http://127.0.0.1:1", token)
    assert token not in str(error.value)
    with pytest.raises(ClientError) as error:
        await connect("http://127.0.0.1:1")("register_user", "somebody", token)
    assert token not in str(error.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "", "http://somebody:secret@localhost"])
def test_an_invalid_url_is_reported(url: str) -> None:
    with pytest.raises(ClientError, match="URL must be like") as error:
        EcgClient(url)
    assert "secret" not in str(error.value)


@pytest.mark.slow
async def test_a_frozen_broker_delays_a_submission_and_loses_none(
    new_broker: Callable[[], Any], new_pipeline: Callable[..., Pipeline]
) -> None:
    broker: Broker = await new_broker()
    pipeline = new_pipeline(on=broker, ECG_PUBLISH_TIMEOUT="3")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with AsyncEcgClient(pipeline.gateways[0].url, await pipeline.register("patient")) as client:
        ecg_id = await client.submit(RECORDING, "before")
        broker.pause()
        submitting = asyncio.create_task(client.submit(RECORDING, "before"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(submitting), 3.5)
        assert "submission not acknowledged" in pipeline.gateways[0].tail()
        broker.resume()
        assert await submitting == ecg_id
        assert (await client.wait_for_insights(ecg_id)).leads[0].number_of_zero_crossings == 3
