"""Bodies and messages made to be expensive are refused with their field and limit, and do not affect other users."""

import asyncio
import gzip
import json
import uuid
import zlib
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.encoding import packed, plain
from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from shared.settings import MIB
from tests.hostile.memory import Memory
from tests.hostile.wire import head, wire
from tests.support.bombs import PACKED_BOMBS, TWICE
from tests.support.ecgs import crossings, insights
from tests.support.hostile import dead_letters, found
from tests.support.pipeline import ADMIN_TOKEN, PARTITIONS, SECRET, Pipeline

JSON = {"content-type": "application/json"}
BODY = 16 * MIB
GOOD = [{"name": "I", "signal": [1, -1, 1]}]
# A bound on the memory for a body of the largest size, its parsed form, and the parser's buffers, which are reused.
PARSING = 640 * MIB


@pytest_asyncio.fixture(scope="module")
async def token(target: Pipeline) -> str:
    return await target.register("bomber")


def filled(begin: bytes, piece: bytes, end: bytes) -> bytes:
    """Return a body of about the largest size, filled with repetitions of a piece."""
    return begin + piece * ((BODY - len(begin) - len(end)) // len(piece)) + end


# Over HTTP, an ECG has neither an id nor an owner.
OWNED = b'{"id":"e","username":"u",'
SIGNAL = b'{"leads":[{"name":"I","signal":['
BOMBS: dict[str, tuple[bytes, str, str]] = {
    "lists, 100,000 deep": (b'{"leads":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body", "1024"),
    "objects, 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "body", "1024"),
    "lists without an end": (b"[" * BODY, "body", "1024"),
    "a number of a million digits": (SIGNAL + b"9" * 1_000_000 + b"]}]}", "leads[0].signal", "64 bits"),
    "a million digits after the point": (SIGNAL + b"1." + b"9" * 1_000_000 + b"]}]}", "leads[0].signal", ""),
    "an exponent of nine digits": (SIGNAL + b"1e999999999]}]}", "body", ""),
    "800,000 large numbers": (filled(SIGNAL, b"99999999999999999999,", b"1]}]}"), "leads[0].signal", "64 bits"),
    "not a number": (SIGNAL + b"NaN]}]}", "body", ""),
    "infinity": (SIGNAL + b"-Infinity]}]}", "body", ""),
    "no UTF-8": (b'{"leads":[{"name":"\xc0\x80","signal":[1]}]}', "body", "UTF-8"),
    "half a pair": (b'{"leads":[{"name":"\\ud800","signal":[1]}]}', "body", ""),
    "10,000 leads": (json.dumps({"leads": GOOD * 10_000}).encode(), "leads", "1024"),
    "a million empty leads": (filled(b'{"leads":[', b"{},", b"{}]}"), "leads", "1024"),
    "millions of lists, and a fault": (filled(b'{"leads":[', b"[],", b"]}"), "body", ""),
    "objects, and a large number": (filled(b'{"leads":[', b"{},", b"99999999999999999999]}"), "leads", "1024"),
    "a million fields": (filled(b"{", b'"a":1,', b'"a":1}'), "body", "1024"),
    "a name of a megabyte": (b'{"leads":[{"name":"' + b"I" * MIB + b'","signal":[]}]}', "leads[0].name", "128"),
    "a name of the whole body": (filled(b'{"leads":[{"name":"', b"I", b'","signal":[]}]}'), "leads[0].name", "128"),
    "a list in a signal": (filled(SIGNAL, b"[],", b"1]}]}"), "leads[0].signal", ""),
    "spaces": (b" " * BODY, "body", ""),
    # A field that is there twice is refused before fields that are not known.
    **{
        f"{field} twice": (document if field in ("id", "username") else document.replace(OWNED, b"{"), field, "twice")
        for document, field in TWICE
    },
}


@pytest.mark.parametrize("kind", BOMBS)
async def test_a_json_bomb_is_refused_with_its_field_and_limit(target: Pipeline, token: str, kind: str) -> None:
    body, field, limit = BOMBS[kind]
    gateway = target.gateways[0]
    memory = Memory(gateway)
    async with target.client(token=token) as client:
        response = await client.post("/ecgs", content=body, headers=JSON)
    assert response.status_code == 422, response.text
    assert response.json()["field"] == field
    assert limit in response.json()["detail"]
    assert len(response.content) < 1000
    assert memory.growth() < PARSING


@pytest.mark.slow
async def test_the_names_of_refused_leads_are_not_kept_in_memory(target: Pipeline, token: str) -> None:
    gateway = target.gateways[0]
    async with target.client(token=token) as client:

        async def refuse(number: int) -> None:
            body = filled(b'{"leads":[{"name":"%d' % number, b"I", b'","signal":[]}]}')
            assert (await client.post("/ecgs", content=body, headers=JSON)).status_code == 422

        for number in range(4):
            await refuse(number)
        memory = Memory(gateway)
        for number in range(4, 16):
            await refuse(number)
    assert memory.left() < 6 * BODY


@pytest.mark.parametrize(
    "encoding",
    [
        "gzip",
        "br",
        "",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("deflate", "zstd", "x-gzip", "gzip, identity")),
    ],
)
async def test_a_compressed_body_is_refused_without_decompression(target: Pipeline, token: str, encoding: str) -> None:
    """Decompression would be dangerous: a gigabyte of spaces fits into a megabyte."""
    gateway = target.gateways[0]
    bomb = gzip.compress(b" " * (64 * MIB)) if "gzip" in encoding else zlib.compress(b" " * (64 * MIB))
    memory = Memory(gateway)
    async with target.client(token=token) as client:
        response = await client.post("/ecgs", content=bomb, headers={**JSON, "content-encoding": encoding})
        assert (response.status_code, response.json()["field"]) == (415, "content-encoding")
        # The same body without a content-encoding header.
        response = await client.post("/ecgs", content=bomb, headers=JSON)
        assert (response.status_code, response.json()["field"]) == (422, "body")
    assert memory.growth() < 32 * MIB


async def test_bombs_in_an_administrators_body_are_refused(target: Pipeline) -> None:
    async with target.client() as client:
        for body, status in (
            (b"[" * 4000, 422),
            (b'{"username":' * 300 + b"1" + b"}" * 300, 422),
            (b'{"username":"' + b"x" * 4096, 413),
            (b'{"username":"x","expires_in":' + b"9" * 3000 + b"}", 422),
            (b'{"username":"\xff"}', 422),
        ):
            response = await client.post("/users", content=body, headers={**JSON, "x-admin-token": ADMIN_TOKEN})
            assert response.status_code == status, response.text


LARGEST = "body: must not be over 16777216 bytes (16.0 MiB): "


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/users", "body: must not be over 4096 bytes"),
        ("/ecgs", LARGEST + "send a long recording in parts"),
        ("/ecgs/batch", LARGEST + "send fewer ECGs in a batch, or a long recording in parts"),
    ],
)
async def test_a_body_over_the_limit_is_refused_unread_with_the_limit_and_what_to_do(
    target: Pipeline, token: str, path: str, detail: str
) -> None:
    async with target.client() as client:
        answers = (await client.get("/openapi.json")).json()["paths"][path]["post"]["responses"]
    assert answers["413"]["content"]["application/json"]["example"] == {"detail": detail}
    announced = {"x_admin_token": ADMIN_TOKEN, "content_length": str(1 << 30)}
    media_type = packed.CONTENT_TYPE if path == "/ecgs/batch" else plain.CONTENT_TYPE
    async with wire(target.gateways[0]) as connection:
        await connection.send(head("POST", path, token, content_type=media_type, **announced))
        status, body = await connection.answer()
    assert (status, orjson.loads(body)) == (413, {"detail": detail})


async def test_bombs_on_kafka_are_dead_letters_and_every_partition_moves_on(target: Pipeline) -> None:
    topics = Topics(target.settings)
    token = await target.register("device")
    worker = target.workers[0]
    largest = {"id": "large", "username": "device", "leads": GOOD}
    home = partition_for(b"large", PARTITIONS)
    packed_type = ("content-type", packed.CONTENT_TYPE.encode())
    sent: list[tuple[bytes, list[tuple[str, Any]], int]] = [
        *((bomb, [packed_type], 0) for bomb in PACKED_BOMBS.values()),
        *((body, [], 0) for body, _, _ in BOMBS.values()),
        # As large as the topic allows, and in the wrong partition.
        (orjson.dumps(largest).ljust(BODY), [("x", b"x" * (MIB - 4096))], (home + 1) % PARTITIONS),
    ]
    producer = AIOKafkaProducer(**target.kafka, max_request_size=1 << 25)
    await producer.start()
    memory = Memory(worker)
    try:
        places = set()
        for value, headers, partition in sent:
            place = await producer.send_and_wait(
                topics.submissions.name, value, b"k", partition=partition, headers=headers
            )
            places.add((str(place.partition), str(place.offset)))
        ids = []
        for partition in range(PARTITIONS):
            ecg_id = next(
                i for i in map(str, iter(uuid.uuid4, None)) if partition_for(i.encode(), PARTITIONS) == partition
            )
            good = {"id": ecg_id, "username": "device", "leads": GOOD}
            null_headers: list[tuple[str, Any]] = [("content-type", None), ("x-request-id", None), ("username", None)]
            value = orjson.dumps(good)
            await producer.send_and_wait(topics.submissions.name, value, ecg_id.encode(), headers=null_headers)
            ids.append(ecg_id)
    finally:
        await producer.stop()
    letters = await dead_letters(target, len(sent), places)
    assert all(len(letter["dlq-error-message"]) < 1000 for letter in letters)
    assert {letter["dlq-error-class"] for letter in letters} == {"InvalidEcg", "Misplaced"}
    async with target.client(token=token) as client:
        for ecg_id in ids:
            await found(client, ecg_id)
            # Read by the gateway, which must treat the null headers as the worker does.
            assert (await client.get(f"/ecgs/{ecg_id}")).status_code == 200
    assert worker.running.poll() is None
    assert memory.growth() < PARSING


async def test_bombs_do_not_affect_other_users_submissions(target: Pipeline, token: str) -> None:
    """Good submissions are accepted and processed while bombs are refused at the same time."""
    signals = [[number, -number, number] for number in range(1, 41)]
    bad = [body for body, _, _ in BOMBS.values() if len(body) < MIB]
    async with target.client(token=token) as client, target.client(token=await target.register("clinic")) as clinic:
        bombs = [asyncio.create_task(client.post("/ecgs", content=body, headers=JSON)) for body in bad]
        sent = await asyncio.gather(
            *(clinic.post("/ecgs", json={"leads": [{"name": "I", "signal": signal}]}) for signal in signals)
        )
        assert {response.status_code for response in await asyncio.gather(*bombs)} == {422}
        assert {response.status_code for response in sent} == {201}
        for response, signal in zip(sent, signals, strict=True):
            expected = [{"name": "I", "number_of_zero_crossings": crossings(signal)}]
            assert await insights(clinic, response.json()["id"]) == expected
            assert IdIssuer(SECRET).belongs(response.json()["id"], "clinic")
