"""Recordings over HTTP: chunks in any order, the insights so far, and access for the owner only."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import numpy as np
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from numpy.typing import NDArray

from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.ecg import Content, Lead
from shared.encoding import packed
from shared.kafka.clients import new_producer, partition_for
from shared.kafka.record_reader import new_record_reader, read_records, start
from shared.kafka.topics import Topics
from shared.messages import insights as insights_message
from shared.messages.beats import Minute, Segment, encode_minute
from shared.messages.insights import Insights
from shared.messages.recordings import ChunkPlace, Progress, Run, encode_place
from shared.worker_protocol import announcements
from shared.worker_protocol.announcements import Announcement
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import crossings
from tests.support.events import stream
from tests.support.pipeline import ADMIN_TOKEN, PARTITIONS, NewPipeline, Pipeline
from tests.support.reading import records, submit

PACKED = {"content-type": packed.CONTENT_TYPE}
AS_PACKED = {"accept": packed.CONTENT_TYPE}
RATE = 100
ADMIN = {"x-admin-token": ADMIN_TOKEN}
UNKNOWN = "00000000-0000-8000-8000-000000000000"
Samples = NDArray[np.signedinteger[Any]]


@pytest_asyncio.fixture
async def client(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("monitor")) as client:
        yield client


@pytest_asyncio.fixture
async def stranger(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("not-the-monitor")) as client:
        yield client


def two_leads(count: int, seed: int = 1, dtype: str = "<i2") -> Samples:
    """Return random samples of two leads, shape (2, count), many of them 0."""
    return np.random.default_rng(seed).integers(-3, 4, (2, count)).astype(dtype)


def announcement(**fields: Any) -> dict[str, Any]:
    leads = [{"name": "I", "adc_gain": 200.0}, {"name": "II"}]
    return {"leads": leads, "sampling_rate": RATE, **fields}


async def begun(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post("/recordings", json=announcement(**fields))
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/recordings/{response.json()['id']}"
    return str(response.json()["id"])


def content(samples: Samples) -> Content:
    leads = (Lead("I", samples[0], 200.0), Lead("II", samples[1]))
    return Content(None, leads, RATE)


async def add(client: httpx.AsyncClient, recording_id: str, samples: Samples, first: int, end: int) -> None:
    """Add the samples `[first, end)` of the whole recording, packed."""
    value = packed.encode_chunk_content(content(samples[:, first:end]), first)
    response = await client.post(f"/recordings/{recording_id}/chunks", content=value, headers=PACKED)
    assert response.status_code == 201, response.text
    assert response.json() == {"id": recording_id, "first_sample": first, "number_of_samples": end - first}


async def end(client: httpx.AsyncClient, recording_id: str, total: int) -> None:
    response = await client.post(f"/recordings/{recording_id}/end", json={"number_of_samples": total})
    assert (response.status_code, response.json()) == (201, {"id": recording_id, "number_of_samples": total})


async def reached(client: httpx.AsyncClient, recording_id: str, **fields: Any) -> dict[str, Any]:
    """Wait until the insights have these fields, and return them."""

    async def probe() -> dict[str, Any] | None:
        response = await client.get(f"/recordings/{recording_id}/insights", headers={"prefer": "wait=10"})
        assert response.status_code in (200, 202), response.text
        answer: dict[str, Any] = response.json()
        there = response.status_code == 200 and all(answer[name] == value for name, value in fields.items())
        return answer if there else None

    return await eventually(probe, interval=0.02, what=f"{fields} of {recording_id}")


def counts(answer: dict[str, Any]) -> list[int]:
    return [lead["number_of_zero_crossings"] for lead in answer["leads"]]


def expected(samples: Samples) -> list[int]:
    return [crossings(lead.tolist()) for lead in samples]


WITHOUT_BEATS = ("mean_rate", "least_rate", "most_rate", "longest_pause", "rate_now")


async def test_a_recording_has_insights_while_it_goes_on_and_is_final_after_its_end(client: httpx.AsyncClient) -> None:
    whole = two_leads(300)
    recording_id = await begun(client, date="2026-11-24T10:00:00Z", label="bed 7")
    fresh = await reached(client, recording_id)
    assert fresh["accepted_at"].endswith("Z")
    assert fresh == {
        "id": recording_id,
        "username": "monitor",
        "label": "bed 7",
        "date": "2026-11-24T10:00:00Z",
        "accepted_at": fresh["accepted_at"],
        "sampling_rate": RATE,
        "number_of_samples": 0,
        "complete_until": 0,
        "gaps": [],
        "final": False,
        "revision": 0,
        "refused": {"number": 0, "latest": []},
        "leads": [
            {"name": "I", "adc_gain": 200.0, "number_of_zero_crossings": 0},
            {"name": "II", "adc_gain": None, "number_of_zero_crossings": 0},
        ],
        "beats": {"number_of_beats": 0, "complete_until": 0, **dict.fromkeys(WITHOUT_BEATS)},
    }
    await add(client, recording_id, whole, 0, 100)
    assert counts(await reached(client, recording_id, complete_until=100)) == expected(whole[:, :100])
    response = await client.post(
        f"/recordings/{recording_id}/chunks",
        json={
            "first_sample": 100,
            "sampling_rate": RATE,
            "leads": [
                {"name": "I", "adc_gain": 200, "signal": whole[0, 100:].tolist()},
                {"name": "II", "signal": whole[1, 100:].tolist()},
            ],
        },
    )
    assert response.status_code == 201
    assert response.json() == {"id": recording_id, "first_sample": 100, "number_of_samples": 200}
    assert not (await reached(client, recording_id, number_of_samples=300))["final"]
    await end(client, recording_id, 300)
    final = await reached(client, recording_id, final=True)
    assert (counts(final), final["accepted_at"]) == (expected(whole), fresh["accepted_at"])


def cut(length: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return pieces of the whole, in any order, some twice and some with a part of their neighbour."""
    places = np.sort(rng.choice(np.arange(1, length), 12, replace=False)).tolist()
    pieces = list(zip([0, *places], [*places, length], strict=True))
    pieces += [pieces[3], (max(0, pieces[5][0] - 4), min(length, pieces[5][1] + 4))]
    return [pieces[i] for i in rng.permutation(len(pieces))]


@pytest.mark.parametrize("seed", range(4))
async def test_chunks_in_any_order_and_again_give_the_crossings_and_samples_of_the_whole(
    client: httpx.AsyncClient, seed: int
) -> None:
    whole = two_leads(400, seed)
    recording_id = await begun(client)
    for first, stop in cut(400, np.random.default_rng(seed)):
        await add(client, recording_id, whole, first, stop)
    await end(client, recording_id, 400)
    answer = await reached(client, recording_id, final=True)
    assert (counts(answer), answer["gaps"], answer["revision"]) == (expected(whole), [], 0)
    assert answer["refused"] == {"number": 0, "latest": []}
    for first, stop in ((0, 400), (0, 0), (17, 18), (3, 399), (100, 200), (399, 400), (400, 400)):
        for reading in (read, unpacked):
            assert np.array_equal(await reading(client, recording_id, first, stop), whole[:, first:stop])


async def read(client: httpx.AsyncClient, recording_id: str, first: int, stop: int) -> Samples:
    response = await client.get(f"/recordings/{recording_id}/signals", params={"from": first, "to": stop})
    assert response.status_code == 200, response.text
    answer = response.json()
    leads = answer.pop("leads")
    place = {"first_sample": first, "number_of_samples": stop - first}
    assert answer == {"id": recording_id, "sampling_rate": RATE, **place}
    assert [(lead["name"], lead["adc_gain"]) for lead in leads] == [("I", 200.0), ("II", None)]
    assert all(lead["number_of_samples"] == stop - first for lead in leads)
    return np.array([lead["signal"] for lead in leads])


async def unpacked(client: httpx.AsyncClient, recording_id: str, first: int, stop: int) -> Samples:
    asked = {"from": first, "to": stop}
    response = await client.get(f"/recordings/{recording_id}/signals", params=asked, headers=AS_PACKED)
    assert (response.status_code, response.headers["content-type"]) == (200, packed.CONTENT_TYPE)
    answer = msgspec.msgpack.decode(response.content)
    assert (answer["id"], answer["first_sample"], answer["number_of_samples"]) == (recording_id, first, stop - first)
    leads = [np.frombuffer(lead["signal"], np.dtype(lead["dtype"]).newbyteorder("<")) for lead in answer["leads"]]
    return np.array(leads)


async def test_missing_samples_are_zeros_in_their_ranges_and_make_a_revision_when_they_come_late(
    client: httpx.AsyncClient,
) -> None:
    whole = np.where(two_leads(100) == 0, 1, two_leads(100))
    recording_id = await begun(client)
    absent = [(0, 10), (30, 20), (90, 10)]
    for first, stop in ((10, 30), (50, 90)):
        await add(client, recording_id, whole, first, stop)
    assert (await reached(client, recording_id, number_of_samples=90))["gaps"] == []
    await end(client, recording_id, 100)
    answer = await reached(client, recording_id, final=True)
    come = whole.copy()
    for first, count in absent:
        come[:, first : first + count] = 0
    assert answer["gaps"] == [list(gap) for gap in absent]
    assert (counts(answer), answer["number_of_samples"]) == (expected(come), 100)
    assert np.array_equal(await read(client, recording_id, 0, 100), come)
    assert np.array_equal(await read(client, recording_id, 35, 45), come[:, 35:45])
    response = await client.get(f"/recordings/{recording_id}/signals", params={"from": 20, "to": 95})
    assert [lead["missing"] for lead in response.json()["leads"]] == [[[10, 20], [70, 5]]] * 2
    await add(client, recording_id, whole, 30, 50)
    answer = await reached(client, recording_id, revision=1)
    come[:, 30:50] = whole[:, 30:50]
    assert (counts(answer), answer["gaps"]) == (expected(come), [[0, 10], [90, 10]])
    assert np.array_equal(await read(client, recording_id, 0, 100), come)


async def test_missing_ranges_of_a_chunk_are_read_back_within_the_recording(client: httpx.AsyncClient) -> None:
    recording_id = await begun(client)
    for first, missing in ((0, [[1, 2]]), (4, [[0, 1], [2, 2]])):
        leads = [{"name": "I", "adc_gain": 200, "signal": [0] * 4, "missing": missing}]
        leads.append({"name": "II", "signal": [5] * 4})
        body = {"first_sample": first, "sampling_rate": RATE, "leads": leads}
        assert (await client.post(f"/recordings/{recording_id}/chunks", json=body)).status_code == 201
    await reached(client, recording_id, number_of_samples=8)
    for asked, ranges in (({}, [[1, 2], [4, 1], [6, 2]]), ({"from": 2, "to": 7}, [[0, 1], [2, 1], [4, 1]])):
        first, second = (await client.get(f"/recordings/{recording_id}/signals", params=asked)).json()["leads"]
        assert (first["missing"], "missing" in second) == (ranges, False)


async def test_samples_of_any_width_are_read_back(client: httpx.AsyncClient) -> None:
    recording_id = await begun(client)
    whole = np.array([[1, -1, 300, -300, 2**40, -(2**63)], [0, 0, 0, 0, 0, 2**31 - 1]], "<i8")
    for first, dtype in ((0, "<i1"), (2, "<i2"), (4, "<i8")):
        value = packed.encode_chunk_content(content(whole[:, first : first + 2].astype(dtype)), first)
        response = await client.post(f"/recordings/{recording_id}/chunks", content=value, headers=PACKED)
        assert response.status_code == 201
    await reached(client, recording_id, number_of_samples=6)
    assert np.array_equal(await read(client, recording_id, 0, 6), whole)
    assert np.array_equal(await unpacked(client, recording_id, 0, 6), whole)


async def test_what_does_not_fit_its_recording_is_told_to_its_owner(client: httpx.AsyncClient) -> None:
    recording_id = await begun(client)
    whole = two_leads(100)
    await add(client, recording_id, whole, 0, 100)
    await add(client, recording_id, whole + 1, 50, 100)
    other_rate = packed.encode_chunk_content(msgspec.structs.replace(content(whole), sampling_rate=250.0), 100)
    response = await client.post(f"/recordings/{recording_id}/chunks", content=other_rate, headers=PACKED)
    assert response.status_code == 201

    async def told() -> dict[str, Any] | None:
        refused = (await reached(client, recording_id, number_of_samples=100))["refused"]
        return refused if refused["number"] == 2 else None

    assert (await eventually(told, what="both refusals"))["latest"] == [
        "first_sample: overlaps samples 50 to 99, which arrived earlier and differ",
        "sampling_rate: must be that of the recording, 100.0",
    ]
    assert np.array_equal(await read(client, recording_id, 0, 100), whole)


async def test_the_same_key_and_announcement_are_one_recording_with_any_label(client: httpx.AsyncClient) -> None:
    async def begin(key: str, **fields: Any) -> str:
        response = await client.post("/recordings", json=announcement(**fields), headers={"idempotency-key": key})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    assert await begin("a") == await begin("a", label="bed 7")
    assert len({await begin("a"), await begin("b"), await begin("a", date="2026-11-24")}) == 3
    for key in ("", "x" * 256):
        response = await client.post("/recordings", json=announcement(), headers={"idempotency-key": key})
        assert (response.status_code, response.json()["field"]) == (422, "idempotency-key")


LEAD = {"name": "I", "signal": [1]}
BROKEN_ANNOUNCEMENTS: list[tuple[dict[str, Any], str]] = [
    (announcement(sampling_rate=None), "sampling_rate: must be given in a recording: the time of a sample is counted"),
    ({"leads": [{"name": "I"}]}, "sampling_rate: must be given in a recording"),
    (announcement(sampling_rate=-1), "sampling_rate: must be a number of hertz above 0"),
    (announcement(leads=[]), "leads: must hold 1 to 1024 leads, not 0"),
    (announcement(leads=[{"name": "I"}] * 65), "leads: must hold at most 64 leads in a recording, not 65"),
    (announcement(leads=[LEAD]), "leads[0].signal: is not a field of an announced lead: known are adc_gain, name"),
    (announcement(leads=[{}]), "leads[0].name: must be 1 to 128 printable characters"),
    (announcement(leads=[7]), "leads[0]: must be an object with name"),
    (announcement(leads=[{"name": "I", "adc_gain": 0}]), "leads[0].adc_gain: must be a finite number"),
    (announcement(leads=[{"name": "I", "adc_gain": 10**30}]), "leads[0].adc_gain: must be a finite number"),
    (announcement(date="yesterday"), "date: must be an ISO 8601 date"),
    (announcement(label="\n"), "label: must be 1 to 200 printable characters"),
    (announcement(lable="x"), "lable: is not a field of an announcement: did you mean label?"),
]
_CHUNK = {"first_sample": 0, "sampling_rate": RATE, "leads": [LEAD]}
BROKEN_CHUNKS: list[tuple[dict[str, Any], str]] = [
    ({**_CHUNK, "leads": []}, "leads: must hold 1 to 1024 leads, not 0"),
    ({**_CHUNK, "leads": [LEAD] * 65}, "leads: must hold at most 64 leads in a recording, not 65"),
    ({**_CHUNK, "leads": [{"name": "I", "signal": []}]}, "leads[0].signal: must hold samples"),
    ({**_CHUNK, "leads": [LEAD, {"name": "II", "signal": [1, 2]}]}, "leads[1].signal: must be as long as that of the"),
    ({**_CHUNK, "first_sample": -1}, "first_sample: must be a whole number of samples, 0 or more"),
    ({**_CHUNK, "first_sample": "0"}, "first_sample: must be a whole number of samples, 0 or more"),
    ({**_CHUNK, "first_sample": 31 * 86_400 * RATE}, "first_sample: must lie within 31 days, the longest recording"),
    ({"leads": [LEAD], "sampling_rate": RATE}, "first_sample: must be a whole number of samples, 0 or more"),
    ({"leads": [LEAD], "first_sample": 0}, "sampling_rate: must be given in a recording"),
    ({**_CHUNK, "end": True}, "end: is not a field of a chunk"),
]
BROKEN_ENDS: list[tuple[dict[str, Any], str]] = [
    ({}, "number_of_samples: must be a whole number of samples, 0 or more"),
    ({"number_of_samples": -1}, "number_of_samples: must be a whole number of samples, 0 or more"),
    ({"number_of_samples": 1.5}, "number_of_samples: must be a whole number of samples, 0 or more"),
    ({"number_of_samples": None}, "number_of_samples: must be a whole number of samples, 0 or more"),
    ({"number_of_samples": 2**53}, "number_of_samples: must lie within 31 days, the longest recording"),
    ({"number_of_samples": 1, "end": True}, "end: is not a field of the end of a recording"),
]


BROKEN = [
    pytest.param(path, body, detail, id=f"{path or 'announcement'} {detail[:50]}")
    for path, bodies in (("", BROKEN_ANNOUNCEMENTS), ("/chunks", BROKEN_CHUNKS), ("/end", BROKEN_ENDS))
    for body, detail in bodies
]


@pytest.mark.parametrize(("path", "body", "detail"), BROKEN)
async def test_what_breaks_a_limit_is_named_with_its_limit(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], detail: str
) -> None:
    url = f"/recordings/{await begun(client)}{path}" if path else "/recordings"
    response = await client.post(url, json=body)
    assert response.status_code == 422, response.text
    answer = response.json()
    assert answer["detail"].startswith(detail)
    assert answer["field"] == detail.partition(":")[0]


async def test_a_packed_chunk_is_refused_like_one_in_json(client: httpx.AsyncClient) -> None:
    url = f"/recordings/{await begun(client)}/chunks"
    lead = {"name": "I", "dtype": "int8", "signal": b"\x01"}
    for changed, field in (
        ({"leads": [{**lead, "signal": b""}]}, "leads[0].signal"),
        ({"first_sample": -1}, "first_sample"),
        ({"first_sample": None}, "first_sample"),
        ({"sampling_rate": None}, "sampling_rate"),
        ({"leads": [lead] * 65}, "leads"),
        ({"patient": "x"}, "patient"),
    ):
        body = msgspec.msgpack.encode({"first_sample": 0, "sampling_rate": RATE, "leads": [lead], **changed})
        response = await client.post(url, content=body, headers=PACKED)
        assert (response.status_code, response.json()["field"]) == (422, field)
    for content_type in ("text/plain", "application/x-ndjson"):
        response = await client.post(url, content=b"{}", headers={"content-type": content_type})
        assert (response.status_code, response.json()["field"]) == (415, "content-type")
    for path in ("/recordings", url.replace("/chunks", "/end")):
        assert (await client.post(path, content=b"\x80", headers=PACKED)).status_code == 415


CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/recordings/{}/chunks", {**_CHUNK, "leads": [{"name": "I", "adc_gain": 200, "signal": [1]}]}),
    ("POST", "/recordings/{}/end", {"number_of_samples": 1000}),
    ("GET", "/recordings/{}/insights", None),
    ("GET", "/recordings/{}/minutes", None),
    ("GET", "/recordings/{}/signals", None),
    ("DELETE", "/recordings/{}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
async def test_a_recording_is_its_owners_alone(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    recording_id = await begun(client)
    whole = two_leads(10)
    await add(client, recording_id, whole, 0, 10)
    await reached(client, recording_id, number_of_samples=10)
    answers = [
        await stranger.request(method, path.format(asked), json=body)
        for asked in (recording_id, UNKNOWN, "nothing", "n\u00f6")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].text == answers[1].text.replace(UNKNOWN, recording_id)
    assert answers[0].json() == {"detail": f"Recording not found for id {recording_id}"}
    nobody = await client.request(method, path.format(recording_id), json=body, headers={"x-user-token": "wrong"})
    assert nobody.status_code == 401
    # Nothing of it came to the recording.
    assert (await stranger.get("/recordings")).json()["recordings"] == []
    again = await reached(client, recording_id)
    assert (again["number_of_samples"], again["final"], again["refused"]["number"]) == (10, False, 0)
    assert np.array_equal(await read(client, recording_id, 0, 10), whole)


async def test_an_ecg_is_no_recording_and_a_recording_no_ecg(client: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(client)
    recording_id = await begun(client)
    await reached(client, recording_id)
    await client.get(f"/ecgs/{ecg_id}/insights", headers={"prefer": "wait=10"})
    for method, path, body in CALLS:
        answer = await client.request(method, path.format(ecg_id), json=body)
        assert (answer.status_code, answer.json()) == (404, {"detail": f"Recording not found for id {ecg_id}"})
    for method, path in (("GET", "/ecgs/{}/insights"), ("GET", "/ecgs/{}"), ("DELETE", "/ecgs/{}")):
        answer = await client.request(method, path.format(recording_id))
        assert (answer.status_code, answer.json()) == (404, {"detail": f"ECG not found for id {recording_id}"})
    # Both are still there.
    assert (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 200
    assert (await client.get(f"/recordings/{recording_id}/insights")).status_code == 200
    assert recording_id not in [ecg["id"] for ecg in (await client.get("/ecgs")).json()["ecgs"]]
    listed = [entry["id"] for entry in (await client.get("/recordings")).json()["recordings"]]
    assert recording_id in listed
    assert ecg_id not in listed


async def test_an_id_is_of_one_kind_before_a_worker_knows_it(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="0.5")
    pipeline.start_gateway()
    await pipeline.alive()
    whole = two_leads(20)
    async with pipeline.client(token=await pipeline.register("monitor")) as client:
        accepted = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})
        ecg_id, recording_id = accepted.json()["id"], await begun(client)
        # Each must stay what it is: a row of the other kind would refuse all that was accepted under the id.
        for method, path, body in CALLS:
            assert (await client.request(method, path.format(ecg_id), json=body)).status_code == 404, path
        for method, path in (("GET", "/ecgs/{}/insights"), ("GET", "/ecgs/{}"), ("DELETE", "/ecgs/{}")):
            assert (await client.request(method, path.format(recording_id))).status_code == 404, path
        pipeline.start_worker()
        await pipeline.ready()
        await add(client, recording_id, whole, 0, 20)
        await end(client, recording_id, 20)
        assert counts(await reached(client, recording_id, final=True)) == expected(whole)
        waited = await client.get(f"/ecgs/{ecg_id}/insights", headers={"prefer": "wait=10"})
        assert waited.status_code == 200


async def test_recordings_that_were_produced_onto_kafka_are_their_owners_too(
    pipeline: Pipeline, client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    recording_id = "holter-7:live"
    chunk = {"recording_id": recording_id, "username": "monitor", "first_sample": 0, "sampling_rate": RATE}
    chunk["leads"] = [{"name": "I", "adc_gain": 200, "signal": [1, -1]}, {"name": "II", "signal": [0, 3]}]
    async with new_producer(pipeline.settings) as producer:
        await producer.send_and_wait(Topics(pipeline.settings).chunks.name, orjson.dumps(chunk), recording_id.encode())

    async def there() -> bool | None:
        return (await client.get(f"/recordings/{recording_id}/insights")).status_code == 200 or None

    await eventually(there, what="its insights")
    for method, path, body in CALLS:
        assert (await stranger.request(method, path.format(recording_id), json=body)).status_code == 404
    whole = np.array([[1, -1, 2, 2], [0, 3, 4, 4]])
    await add(client, recording_id, whole, 2, 4)
    await end(client, recording_id, 4)
    await reached(client, recording_id, final=True)
    assert np.array_equal(await read(client, recording_id, 0, 4), whole)
    assert (await client.delete(f"/recordings/{recording_id}")).status_code == 204
    assert (await client.get(f"/recordings/{recording_id}/insights")).status_code == 404


async def test_an_erased_recording_is_in_no_answer(pipeline: Pipeline, client: httpx.AsyncClient) -> None:
    gone, stays = await begun(client, label="gone"), await begun(client)
    whole = two_leads(50)
    for recording_id in (gone, stays):
        await add(client, recording_id, whole, 0, 50)
        await reached(client, recording_id, number_of_samples=50)
    response = await client.delete(f"/recordings/{gone}")
    assert (response.status_code, response.content) == (204, b"")
    async with pipeline.client(1, client.headers["x-user-token"]) as other:
        for reader in (client, other):
            for _, path, _ in CALLS[2:5]:
                assert (await reader.get(path.format(gone))).status_code == 404
            assert gone not in [entry["id"] for entry in (await reader.get("/recordings")).json()["recordings"]]
    # A client that did not get the answer may repeat the request.
    assert (await client.delete(f"/recordings/{gone}")).status_code == 204
    assert np.array_equal(await read(client, stays, 0, 50), whole)
    rows = {row.key: row.value for row in await records(pipeline, Topics(pipeline.settings).insights)}
    parts = {key: value for key, value in rows.items() if key.startswith(f"{gone}/".encode())}
    assert parts
    assert set(parts.values()) == {None}


async def test_a_deleted_user_leaves_no_recording(pipeline: Pipeline) -> None:
    token = await pipeline.register("leaving-monitor")
    async with pipeline.client(token=token) as client, pipeline.client() as admin:
        ids = [await begun(client) for _ in range(6)]
        for recording_id in ids:
            await add(client, recording_id, two_leads(5), 0, 5)
            await reached(client, recording_id, number_of_samples=5)
        [ecg_id] = await submit(client)
        assert (await admin.delete("/users/leaving-monitor", headers=ADMIN)).status_code == 204
    async with pipeline.client(1, await pipeline.register("leaving-monitor")) as successor:
        assert (await successor.get("/recordings")).json()["recordings"] == []
        for recording_id in ids:
            assert (await successor.get(f"/recordings/{recording_id}/insights")).status_code == 404
            assert (await successor.get(f"/recordings/{recording_id}/signals")).status_code == 404
        assert (await successor.get(f"/ecgs/{ecg_id}/insights")).status_code == 404


async def test_a_sealed_recording_is_read_like_a_plain_one(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_ENCRYPT_SUBMISSIONS="true")
    for _ in range(2):
        pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("sealed")
    whole = two_leads(60)
    async with pipeline.client(0, token) as one, pipeline.client(1, token) as other, stream(other) as events:
        events.start()
        recording_id = await begun(one, label="night at home")
        await add(one, recording_id, whole, 0, 30)
        await add(other, recording_id, whole, 30, 60)
        # An overlap, for which the worker opens the earlier one.
        await add(one, recording_id, whole, 20, 40)
        await end(other, recording_id, 60)
        for client in (one, other):
            answer = await reached(client, recording_id, final=True)
            assert (answer["label"], answer["refused"]["number"]) == ("night at home", 0)
            assert counts(answer) == expected(whole)
            assert np.array_equal(await read(client, recording_id, 0, 60), whole)
            [listed] = (await client.get("/recordings", params={"label": "night"})).json()["recordings"]
            assert listed["label"] == "night at home"
        await events.read_until([recording_id])
        assert events.events[-1][1]["label"] == "night at home"
        topics = Topics(pipeline.settings)
        sealed = await records(pipeline, topics.chunks)
        assert len(sealed) == 5
        assert all(DATA_KEY_HEADER in dict(record.headers) for record in sealed)
        for topic in topics:
            assert not any(b"night" in (record.value or b"") for record in await records(pipeline, topic))
        assert (await one.delete("/users/sealed", headers=ADMIN)).status_code == 204
    async with pipeline.client(token=await pipeline.register("sealed")) as successor:
        assert (await successor.get(f"/recordings/{recording_id}/signals")).status_code == 404


async def test_a_list_has_every_recording_once_with_its_label_and_how_far_it_has_come(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("lister")) as client:
        ids = [await begun(client, label=f"{'day' if number % 2 else 'night'} {number}") for number in range(7)]
        whole = two_leads(20)
        await add(client, ids[0], whole, 0, 20)
        await end(client, ids[0], 20)
        for recording_id in ids:
            await reached(client, recording_id)
        await reached(client, ids[0], final=True)
        for limit in (1, 3, 7):
            assert sorted(await pages(client, limit)) == sorted(ids)
        assert sorted(await pages(client, 2, label="day")) == sorted(ids[1::2])
        [entry] = (await client.get("/recordings", params={"label": "night 0"})).json()["recordings"]
        assert entry["accepted_at"].endswith("Z")
        assert entry == {
            "id": ids[0],
            "label": "night 0",
            "date": None,
            "accepted_at": entry["accepted_at"],
            "sampling_rate": RATE,
            "number_of_samples": 20,
            "complete_until": 20,
            "final": True,
            "revision": 0,
            "error": None,
            "leads": [
                {"name": "I", "adc_gain": 200.0, "number_of_zero_crossings": expected(whole)[0]},
                {"name": "II", "adc_gain": None, "number_of_zero_crossings": expected(whole)[1]},
            ],
        }
        await submit(client, 2)
        for path, other in (("/recordings", "/ecgs"), ("/ecgs", "/recordings")):
            cursor = (await client.get(path, params={"limit": 1})).json()["next"]
            assert (await client.get(path, params={"limit": 1, "cursor": cursor})).status_code == 200
            refused = await client.get(other, params={"limit": 1, "cursor": cursor})
            assert (refused.status_code, refused.json()["field"]) == (422, "cursor")
        for query in ({"limit": 0}, {"limit": 201}, {"label": ""}, {"labels": "day"}):
            assert (await client.get("/recordings", params=query)).status_code == 422


async def pages(client: httpx.AsyncClient, limit: int, **query: Any) -> list[str]:
    """Return the ids on all pages of the list of recordings."""
    ids: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await client.get("/recordings", params={"limit": limit, **query, **cursor})).json()
        assert len(page["recordings"]) <= limit
        ids += [entry["id"] for entry in page["recordings"]]
        if page["next"] is None:
            return ids
        cursor = {"cursor": page["next"]}


async def test_a_stream_tells_how_far_recordings_come_and_none_of_others(
    pipeline: Pipeline, stranger: httpx.AsyncClient
) -> None:
    whole = two_leads(90)
    async with pipeline.client(token=await pipeline.register("streamer")) as client:
        async with stream(client) as events, stream(stranger) as others:
            others.start()
            recording_id = await begun(client, label="bed 7")
            await events.read_until([recording_id])
            begin = events.last_id
            await add(client, recording_id, whole, 0, 30)
            await reached(client, recording_id, number_of_samples=30)
            await add(client, recording_id, whole, 40, 90)
            await reached(client, recording_id, number_of_samples=90)
            await end(client, recording_id, 90)
            final = {
                "id": recording_id,
                "label": "bed 7",
                "number_of_samples": 90,
                "complete_until": 90,
                "final": True,
                "revision": 0,
            }
            await has_come(events, final)
            seen = [(data["number_of_samples"], data["complete_until"]) for _, data in events.events]
            assert seen == [(0, 0), (30, 30), (90, 30), (90, 90)]
            assert {name for name, _ in events.events} == {"recording"}
            [ecg_id] = await submit(stranger)
            await others.read_until([ecg_id])
            assert others.ids == [ecg_id]
        # The rows of chunks are passed over, and what is resumed has the last of all.
        async with stream(client, begin) as resumed:
            await has_come(resumed, final)
        [ecg_id] = await submit(client)
        async with stream(client, begin) as resumed:
            await resumed.read_until([ecg_id])
        assert (await client.delete(f"/recordings/{recording_id}")).status_code == 204
        async with stream(client, begin) as resumed:
            await resumed.read_until([ecg_id])
        assert resumed.ids == [ecg_id]


async def has_come(events: Any, data: dict[str, Any]) -> None:
    async def there() -> bool | None:
        return data in [each for _, each in events.events] or None

    events.start()
    await eventually(there, what=f"the event {data}")


async def test_a_recording_that_could_not_be_processed_tells_why(pipeline: Pipeline, client: httpx.AsyncClient) -> None:
    """Gateways refuse a recording that breaks a limit, so this one comes from a producer."""
    recording_id = "holter-7:broken"
    chunk = {"recording_id": recording_id, "username": "monitor", "leads": [{"name": "I", "signal": [1]}]}
    async with stream(client) as events:
        events.start()
        async with new_producer(pipeline.settings) as producer:
            topic = Topics(pipeline.settings).chunks.name
            await producer.send_and_wait(topic, orjson.dumps(chunk), recording_id.encode())
        await events.read_until([recording_id])
    [(name, data)] = [event for event in events.events if event[1]["id"] == recording_id]
    assert (name, data["detail"].partition(":")[0], data["final"]) == ("recording", "sampling_rate", False)
    for path in ("insights", "signals", "minutes"):
        response = await client.get(f"/recordings/{recording_id}/{path}")
        assert (response.status_code, response.json()) == (422, {"detail": data["detail"]})
    [entry] = [entry for entry in (await client.get("/recordings")).json()["recordings"] if entry["id"] == recording_id]
    assert (entry["error"], entry["leads"], "sampling_rate" in entry) == (data["detail"], [], False)


async def test_the_audit_has_who_began_ended_read_and_erased_a_recording_and_not_each_chunk(
    client: httpx.AsyncClient,
) -> None:
    recording_id = await begun(client)
    for first in range(0, 30, 10):
        await add(client, recording_id, two_leads(30), first, first + 10)
    await end(client, recording_id, 30)
    await reached(client, recording_id, final=True)
    await client.get(f"/recordings/{recording_id}/minutes")
    await client.get(f"/recordings/{recording_id}/signals")
    await client.delete(f"/recordings/{recording_id}")
    events: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        query: dict[str, str | int] = {"ecg_id": recording_id, "limit": 1000}
        if cursor:
            query["cursor"] = cursor
        page = (await client.get("/audit", params=query, headers=ADMIN)).json()
        events += page["events"]
        cursor = page["next"]
    actions = [event["action"] for event in events]
    reads = actions[2:-2]
    assert actions[:2] == ["recording_begun", "recording_ended"]
    assert actions[-2:] == ["signals_read", "recording_erased"]
    assert len(reads) >= 2
    assert set(reads) == {"insights_read"}
    assert {event["who"] for event in events} == {"monitor"}


async def test_insights_of_a_recording_without_a_worker_are_pending(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="1")
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("early")) as client:
        recording_id = await begun(client)
        # Neither needs a worker.
        await add(client, recording_id, two_leads(10), 0, 10)
        await end(client, recording_id, 10)
        assert (await client.get(f"/recordings/{recording_id}/insights")).status_code == 503
        pipeline.start_worker()
        assert counts(await through(client, recording_id)) == expected(two_leads(10))
        assert (await client.delete(f"/recordings/{recording_id}")).status_code == 204


async def through(client: httpx.AsyncClient, recording_id: str) -> dict[str, Any]:
    """Wait until a recording is final, through the start of a worker."""

    async def final() -> dict[str, Any] | None:
        response = await client.get(f"/recordings/{recording_id}/insights")
        assert response.status_code in (200, 202, 503), response.text
        return response.json() if response.status_code == 200 and response.json()["final"] else None

    return await eventually(final, what="the final insights")


async def test_chunks_count_in_both_quotas(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUOTA_ECGS_PER_MINUTE="4")
    pipeline.start_gateway()
    pipeline.start_gateway(ECG_QUOTA_ECGS_PER_MINUTE="0", ECG_QUOTA_BYTES_PER_MINUTE="5000")
    await pipeline.alive()
    token = await pipeline.register("busy")
    async with pipeline.client(0, token) as counted, pipeline.client(1, token) as weighed:
        recording_id = await begun(counted)
        await add(counted, recording_id, two_leads(10), 0, 10)
        await add(counted, recording_id, two_leads(10), 0, 10)
        await end(counted, recording_id, 10)
        body = packed.encode_chunk_content(content(two_leads(1000)), 0)
        path = f"/recordings/{recording_id}/chunks"
        refused = await counted.post(path, content=body, headers=PACKED)
        assert refused.status_code == 429
        assert refused.json() == {"detail": "Over the quota of 4 ECGs or chunks a minute, try again later"}
        statuses = [(await weighed.post(path, content=body, headers=PACKED)).status_code for _ in range(3)]
        assert statuses == [201, 201, 429]


async def test_an_answer_has_as_many_samples_as_a_body_and_names_that_limit(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_MAX_BODY_BYTES="1024")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    whole = two_leads(300, dtype="<i1")
    async with pipeline.client(token=await pipeline.register("limited")) as client:
        recording_id = await begun(client)
        await add(client, recording_id, whole, 0, 300)
        await reached(client, recording_id, number_of_samples=300)
        path = f"/recordings/{recording_id}/signals"
        refused = await client.get(path, params={"from": 10, "to": 139})
        assert (refused.status_code, refused.json()) == (
            422,
            {"detail": "to: must be at most 138: an answer has at most 128 samples of 2 leads", "field": "to"},
        )
        assert np.array_equal(await read(client, recording_id, 10, 138), whole[:, 10:138])
        # Without an end, an answer has as many as it may, and none beyond the end of the recording.
        signals: list[Samples] = []
        while (answer := (await client.get(path, params={"from": 128 * len(signals)})).json())["number_of_samples"]:
            signals.append(np.array([lead["signal"] for lead in answer["leads"]]))
        assert [samples.shape[1] for samples in signals] == [128, 128, 44]
        assert np.array_equal(np.concatenate(signals, axis=1), whole)
        beyond = await client.get(path, params={"from": 1000, "to": 10**9})
        assert (beyond.status_code, beyond.json()["number_of_samples"]) == (200, 0)
        for query in ({"from": -1}, {"from": 10**30}, {"from": 5, "to": 4}, {"to": "x"}, {"till": 5}):
            assert (await client.get(path, params=query)).status_code == 422
        too_large = packed.encode_chunk_content(content(two_leads(300, dtype="<i2")), 0)
        response = await client.post(f"/recordings/{recording_id}/chunks", content=too_large, headers=PACKED)
        assert response.status_code == 413


async def test_recordings_are_refused_while_the_broker_does_not_answer(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_PUBLISH_TIMEOUT="1")
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("patient")) as client:
        recording_id = await begun(client)
        broker.pause()
        try:
            for path, body in (
                ("/recordings", announcement()),
                (f"/recordings/{recording_id}/chunks", _CHUNK),
                (f"/recordings/{recording_id}/end", {"number_of_samples": 1}),
            ):
                response = await client.post(path, json=body)
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                assert response.json()["detail"] == "The submission was not acknowledged by the broker, try again"
        finally:
            broker.resume()


@asynccontextmanager
async def pretending(
    pipeline: Pipeline, rows: dict[str, Insights], parts: dict[str, list[bytes]]
) -> AsyncIterator[list[dict[str, str]]]:
    """Run a worker with these rows and parts by id; yield the questions for parts."""
    asked: list[dict[str, str]] = []

    async def row(request: web.Request) -> web.Response:
        known = rows.get(request.match_info["id"])
        return web.Response(status=404) if known is None else web.Response(body=insights_message.encode(known))

    async def part(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(body=b"[" + b",".join(parts[request.match_info["id"]]) + b"]")

    app = web.Application()
    app.router.add_get("/rows/{partition}/{id}", row)
    app.router.add_get("/parts/{partition}/{id}", part)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with new_producer(pipeline.settings) as producer:
        announced = announcements.encode(Announcement(url, list(range(PARTITIONS)), []))
        await producer.send_and_wait(Topics(pipeline.settings).workers.name, announced, url.encode())
    try:
        yield asked
    finally:
        await runner.cleanup()


def a_row(recording_id: str, username: str, samples: int, **fields: Any) -> Insights:
    run = Run(0, samples, 0, "++", "++")
    progress = Progress(gains=[200.0, None], runs=[run], crossings=[0, 0], settled=samples)
    leads = [{"name": name, "number_of_zero_crossings": 0} for name in ("I", "II")]
    return Insights(recording_id, username, leads, sampling_rate=1.0, recording=progress, **fields)


async def test_minutes_are_passed_on_in_order_in_pages(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    rates: dict[str, Any] = {"number_of_beats": 2, "mean_rate": 60.0, "least_rate": None, "most_rate": None}
    segments = (Segment(0, 10, (3,), (0.5,)), Segment(10, 20, (12,)))
    minutes = [encode_minute(Minute(minute=number, segments=segments, **rates)) for number in (7, 9)]
    rows = {"long": a_row("long", "monitor", 60 * 2000 + 1), "other": a_row("other", "other", 60)}
    async with (
        pretending(pipeline, rows, {"long": minutes, "other": minutes}) as asked,
        pipeline.client(token=await pipeline.register("monitor")) as client,
    ):
        shown = rates | {"longest_pause": None, "beats": [3, 12]}
        expected_minutes = [shown | {"minute": 7}, shown | {"minute": 9}]
        for query, following, range_ in (
            ({}, 1440, ("0", "1440")),
            ({"from": 1440}, None, ("1440", "2001")),
            ({"from": 100, "to": 1540}, None, ("100", "1540")),
            ({"from": 100, "to": 1541}, 1540, ("100", "1540")),
            ({"to": 10**12, "from": 561}, None, ("561", "2001")),
        ):
            answer = (await client.get("/recordings/long/minutes", params=query)).json()
            assert answer == {"id": "long", "minutes": expected_minutes, "next": following}
            assert asked[-1] == {"kind": "m", "from": range_[0], "to": range_[1], "limit": "1440"}
        count = len(asked)
        for query in ({"from": 2001}, {"from": 10**12}, {"from": 7, "to": 7}):
            answer = (await client.get("/recordings/long/minutes", params=query)).json()
            assert answer == {"id": "long", "minutes": [], "next": None}
        refused = await client.get("/recordings/long/minutes", params={"from": 8, "to": 7})
        assert (refused.status_code, refused.json()["field"]) == (422, "to")
        assert (await client.get("/recordings/other/minutes")).status_code == 404
        assert (await client.get("/recordings/other/signals")).status_code == 404
        # Nobody was asked for what is not the caller's, or is not there.
        assert len(asked) == count


async def test_samples_that_are_no_longer_kept_or_lead_to_another_recording_are_gone(
    new_pipeline: NewPipeline,
) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    async with (
        pipeline.client(token=await pipeline.register("victim")) as victim,
        pipeline.client(token=await pipeline.register("monitor")) as client,
    ):
        theirs = await begun(victim)
        await add(victim, theirs, two_leads(10), 0, 10)
        home = partition_for(theirs.encode(), PARTITIONS)
        ids = map("forged-{}".format, range(100))
        names = [name for name in ids if partition_for(name.encode(), PARTITIONS) == home]
        places = {
            names[0]: [ChunkPlace(0, 10, 1, 0)],  # the chunk of another user's recording
            names[1]: [ChunkPlace(0, 10, 999, 0)],  # beyond the end of the topic
            names[2]: [ChunkPlace(0, 9, 1, 0)],  # fewer samples than the row tells
            names[3]: [],
        }
        rows = {name: a_row(name, "monitor", 10) for name in places}
        parts = {name: list(map(encode_place, of)) for name, of in places.items()}
        async with pretending(pipeline, rows, parts):
            for name in places:
                response = await client.get(f"/recordings/{name}/signals")
                assert (response.status_code, response.json()) == (
                    410,
                    {"detail": "The signals before sample 10 are no longer kept; the insights still are"},
                )
            assert (await client.get(f"/recordings/{names[0]}/insights")).status_code == 200


async def test_a_range_of_too_many_chunks_is_refused(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    places = [encode_place(ChunkPlace(first, 1, first, first)) for first in range(1001)]
    async with (
        pretending(pipeline, {"many": a_row("many", "monitor", 1001)}, {"many": places}) as asked,
        pipeline.client(token=await pipeline.register("monitor")) as client,
    ):
        response = await client.get("/recordings/many/signals")
        assert (response.status_code, response.json()) == (
            422,
            {
                "detail": "to: samples 0 to 1000 came in more than 1000 chunks: ask for fewer at a time",
                "field": "to",
            },
        )
        assert asked == [{"kind": "c", "from": "0", "to": "1001", "limit": "1001"}]


@pytest.mark.parametrize("fetched", [1, 1 << 18])
async def test_records_are_read_by_their_offsets_whatever_lies_between(new_pipeline: NewPipeline, fetched: int) -> None:
    pipeline = new_pipeline()
    # It creates the topics.
    pipeline.start_gateway()
    await pipeline.alive()
    topic = Topics(pipeline.settings).chunks
    partition = topic.all_partitions()[0]
    async with new_producer(pipeline.settings) as producer:
        sent = [await producer.send_and_wait(topic.name, b"%d" % number, b"k", 0) for number in range(30)]
    offsets = [sent[number].offset for number in (0, 1, 2, 7, 28, 29)]
    reader = new_record_reader(pipeline.settings, fetched)
    try:
        await start(reader, topic.all_partitions())
        asked = [*offsets, offsets[-1] + 1000, offsets[-1] + 1001]
        found: list[bytes | None] = []
        while len(found) < len(asked):
            records_ = await read_records(reader, partition, asked[len(found) :])
            assert records_
            found += [None if record is None else record.value for record in records_]
        assert found == [b"0", b"1", b"2", b"7", b"28", b"29", None, None]
    finally:
        await reader.stop()
