"""Guessing and claiming the ids of others finds nothing, and no answer tells "not yours" from "does not exist"."""

import asyncio
import itertools
import os
import random
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.ecg import Ecg, Lead
from shared.encoding import packed, plain
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.ecgs import insights
from tests.support.hostile import dead_letters, found
from tests.support.messages import message
from tests.support.pipeline import SECRET, Pipeline

TRIES = int(os.environ.get("ECG_HOSTILE_TRIES", "2000"))
CONNECTIONS = 32
LEADS = [{"name": "I", "signal": [1, -1, 1]}]


@dataclass
class Victim:
    """A user with ECGs, some with ids that the gateway issued and some with ids that a device chose."""

    token: str
    issued: list[str]
    chosen: list[str]


@pytest_asyncio.fixture(scope="module")
async def victim(target: Pipeline) -> Victim:
    token = await target.register("victim")
    chosen = ["1", "ecg-1", str(uuid.uuid4())]
    producer = AIOKafkaProducer(**target.kafka)
    await producer.start()
    try:
        for ecg_id in chosen:
            value = orjson.dumps({"id": ecg_id, "username": "victim", "leads": LEADS})
            await producer.send_and_wait(Topics(target.settings).submissions.name, value, ecg_id.encode())
    finally:
        await producer.stop()
    async with target.client(token=token) as client:
        issued = [str((await client.post("/ecgs", json={"leads": LEADS})).json()["id"]) for _ in range(5)]
        for ecg_id in issued:
            await insights(client, ecg_id)
        for ecg_id in chosen:
            await found(client, ecg_id)
    return Victim(token, issued, chosen)


def guesses(victim: Victim) -> Iterator[str]:
    """Yield ids that do not belong to the guesser: existing ones, variations of them, and others without end."""
    yield from victim.issued
    yield from victim.chosen
    for ecg_id in victim.issued:
        number = uuid.UUID(ecg_id).int
        for bit in range(128):
            yield str(uuid.UUID(int=number ^ (1 << bit)))
        yield from (ecg_id.upper(), ecg_id.replace("-", ""), f"{{{ecg_id}}}", f"{ecg_id}%00", f"{ecg_id}.")
    yield from (IdIssuer(secrets.token_hex(16)).issue("guesser") for _ in range(100))
    yield from map(str, range(2, 100))
    yield from (f"ecg-{number}" for number in range(2, 100))
    while True:
        raw = bytearray(random.randbytes(16))
        raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
        yield str(uuid.UUID(bytes=bytes(raw)))


def shape(response: httpx.Response, ecg_id: str) -> tuple[int, frozenset[tuple[str, str]], str]:
    """Return an answer's status, headers and text without the requested id and the headers that always differ."""
    headers = {n: v for n, v in response.headers.items() if n not in ("x-request-id", "date", "content-length")}
    # The id as the gateway decodes it from the path.
    read = str(httpx.URL(f"http://gateway/{ecg_id}").path[1:])
    text = str(response.json()["detail"])
    assert text.endswith(read), text
    assert len(response.content) == int(response.headers["content-length"])
    return response.status_code, frozenset(headers.items()), text.removesuffix(read)


@pytest.mark.slow
async def test_guessed_ids_find_nothing_and_get_identical_answers(target: Pipeline, victim: Victim) -> None:
    tried = itertools.islice(guesses(victim), TRIES // 2)
    waiting = ((path, guess) for guess in tried for path in ("/ecgs/{}/insights", "/ecgs/{}"))
    shapes: dict[Any, int] = {}
    async with target.client(token=await target.register("guesser")) as client:

        async def guess_on() -> None:
            for path, guess in waiting:
                response = await client.get(path.format(guess))
                said = shape(response, guess)
                shapes[said] = shapes.get(said, 0) + 1

        await asyncio.gather(*(guess_on() for _ in range(CONNECTIONS)))
        assert (await client.get("/ecgs")).json()["ecgs"] == []
    assert sum(shapes.values()) == TRIES
    [(status, _, text)] = shapes
    assert (status, text) == (404, "ECG not found for id ")


async def test_waiting_for_another_users_ecg_is_answered_like_waiting_for_none(
    target: Pipeline, victim: Victim
) -> None:
    async with target.client(token=await target.register("patient guesser")) as client:
        asked = [victim.issued[0], victim.chosen[0], IdIssuer(SECRET).issue("nobody"), "nothing"]
        responses = [await client.get(f"/ecgs/{ecg_id}/insights", headers={"prefer": "wait=1"}) for ecg_id in asked]
    assert len({shape(response, ecg_id) for response, ecg_id in zip(responses, asked, strict=True)}) == 1


async def test_another_users_cursor_and_forged_event_ids_are_refused(target: Pipeline, victim: Victim) -> None:
    async with target.client(token=victim.token) as client:
        cursor = (await client.get("/ecgs?limit=1")).json()["next"]
        assert (await client.get("/ecgs", params={"cursor": cursor})).status_code == 200
    async with target.client(token=await target.register("reader")) as client:
        refused = [
            await client.get("/ecgs", params={"cursor": text}) for text in (cursor, cursor[:-1], cursor[::-1], "x", "")
        ]
        assert {(r.status_code, r.json()["field"]) for r in refused} == {(422, "cursor")}
        for last in (b"x", b"A" * 60, cursor.encode(), "é".encode(), b"\xff" * 20):
            response = await client.get("/events", headers={b"last-event-id": last})
            assert (response.status_code, response.json()["field"]) == (422, "last-event-id")


async def test_claiming_another_users_ecg_on_kafka_neither_changes_nor_reveals_it(
    target: Pipeline, victim: Victim
) -> None:
    """Claims are made in both encodings, whole and broken, with different keys, before and after processing."""
    thief = await target.register("thief")
    topic = Topics(target.settings).submissions.name
    async with target.client(token=victim.token) as client:
        before = [
            [(await client.get(f"/ecgs/{ecg_id}{path}")).json() for path in ("", "/insights")]
            for ecg_id in (victim.issued[0], victim.chosen[0])
        ]
        listed = (await client.get("/ecgs?limit=200")).json()
    upcoming = IdIssuer(SECRET).issue("victim")
    producer = AIOKafkaProducer(**target.kafka)
    await producer.start()
    claims = 0
    try:
        for ecg_id in (victim.issued[0], victim.chosen[0], upcoming):
            stolen = message("thief", ecg_id, leads=[{"name": "II", "signal": [1, 2]}])
            as_ecg = Ecg(ecg_id, "thief", None, (Lead("II", plain.decode(orjson.dumps(stolen)).leads[0].signal),))
            packed_type = [("content-type", packed.CONTENT_TYPE.encode())]
            for value, headers in (
                (orjson.dumps(stolen), []),
                (orjson.dumps(stolen), [("username", b"victim")]),
                (packed.encode(as_ecg), packed_type),
                (packed.encode(as_ecg), [*packed_type, ("username", b"victim")]),
                (orjson.dumps({**stolen, "leads": "broken"}), []),
                (orjson.dumps(stolen).replace(b'"username":"thief"', b'"username":"victim","username":"thief"'), []),
                (orjson.dumps(stolen).replace(b'"username":"thief"', b'"username":"thief","username":"victim"'), []),
                (b"?", [("username", b"thief")]),
            ):
                for key in (ecg_id.encode(), b"another key"):
                    await producer.send_and_wait(topic, value, key, headers=headers)
                    claims += 1
        # Records after the claims in every partition: once they are processed, the claims are too.
        marks = [message("thief") for _ in range(40)]
        for mark in marks:
            await producer.send_and_wait(topic, orjson.dumps(mark), mark["id"].encode())
    finally:
        await producer.stop()
    async with target.client(token=thief) as client:
        for mark in marks:
            await found(client, mark["id"])
        for ecg_id in (victim.issued[0], victim.chosen[0], upcoming):
            for path in ("", "/insights"):
                response = await client.get(f"/ecgs/{ecg_id}{path}")
                assert response.status_code == 404, f"{ecg_id}{path}: {response.text}"
        ids = {ecg["id"] for ecg in (await client.get("/ecgs?limit=200")).json()["ecgs"]}
        assert ids == {mark["id"] for mark in marks}
    async with target.client(token=victim.token) as client:
        after = [
            [(await client.get(f"/ecgs/{ecg_id}{path}")).json() for path in ("", "/insights")]
            for ecg_id in (victim.issued[0], victim.chosen[0])
        ]
        assert after == before
        assert (await client.get("/ecgs?limit=200")).json() == listed
        assert (await client.get(f"/ecgs/{upcoming}/insights")).status_code == 202
    letters = await dead_letters(target, claims)
    assert {"IdTaken"} <= {letter["dlq-error-class"] for letter in letters}
