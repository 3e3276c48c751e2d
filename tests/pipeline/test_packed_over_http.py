"""Packed bodies over HTTP: submitted, read back, and refused in the same words as JSON."""

from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio

from shared.encoding import packed, plain
from tests.support.bombs import PACKED_BOMBS, PACKED_TWICE
from tests.support.ecgs import insights
from tests.support.pipeline import NewPipeline, Pipeline

PACKED = {"content-type": packed.CONTENT_TYPE}
SIGNAL = [1, 0, -1, 0, 1, 0, 0, 1]
LEAD = {"name": "I", "dtype": "int16", "signal": np.array(SIGNAL, "<i2").tobytes()}
KEY = {"idempotency-key": "recorder-7/0001"}


@pytest_asyncio.fixture
async def client(pipeline: Pipeline) -> Any:
    async with pipeline.client(token=await pipeline.register("packer")) as client:
        yield client


def pack(**fields: Any) -> bytes:
    return msgspec.msgpack.encode({"leads": [LEAD], **fields})


async def test_a_packed_ecg_has_insights_and_is_read_back_in_both_encodings(client: httpx.AsyncClient) -> None:
    lead = {**LEAD, "signal": np.array([0, 0, 5, -5], "<i2").tobytes(), "adc_gain": 200, "missing": [[0, 2]]}
    body = pack(date="2026-11-24T10:00:00Z", label="night", leads=[lead, {**LEAD, "name": "II"}])
    response = await client.post("/ecgs", content=body, headers={"content-type": packed.CONTENT_TYPE.upper() + "; v=1"})
    assert response.status_code == 201, response.text
    ecg_id = response.json()["id"]
    assert await insights(client, ecg_id) == [
        {"name": "I", "number_of_zero_crossings": 1},
        {"name": "II", "number_of_zero_crossings": 3},
    ]
    as_json = (await client.get(f"/ecgs/{ecg_id}")).json()
    assert [lead["signal"] for lead in as_json["leads"]] == [[0, 0, 5, -5], SIGNAL]
    assert (as_json["leads"][0]["adc_gain"], as_json["leads"][0]["missing"]) == (200, [[0, 2]])
    assert (as_json["date"], as_json["label"]) == ("2026-11-24T10:00:00Z", "night")
    read = await client.get(f"/ecgs/{ecg_id}", headers={"accept": packed.CONTENT_TYPE})
    assert read.headers["content-type"] == packed.CONTENT_TYPE
    as_packed = msgspec.msgpack.decode(read.content)
    shared = ("id", "label", "date", "accepted_at", "sampling_rate")
    assert {name: as_packed[name] for name in shared} == {name: as_json[name] for name in shared}
    # The samples that were sent, as they were sent.
    assert [lead["signal"] for lead in as_packed["leads"]] == [lead["signal"], LEAD["signal"]]


async def test_an_ecg_that_was_sent_as_json_is_read_back_packed(client: httpx.AsyncClient) -> None:
    ecg_id = (await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -300]}]})).json()["id"]
    await insights(client, ecg_id)
    read = await client.get(f"/ecgs/{ecg_id}", headers={"accept": packed.CONTENT_TYPE})
    lead = {"name": "I", "dtype": "int16", "signal": np.array([1, -300], "<i2").tobytes()}
    assert msgspec.msgpack.decode(read.content)["leads"] == [lead]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
async def test_the_same_key_and_content_are_the_same_ecg_in_every_encoding(
    client: httpx.AsyncClient, dtype: str
) -> None:
    lead = {"name": "I", "dtype": dtype, "signal": np.array(SIGNAL, dtype).tobytes()}
    as_packed = await client.post("/ecgs", content=pack(leads=[lead]), headers=PACKED | KEY)
    as_json = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": SIGNAL}]}, headers=KEY)
    assert as_packed.json()["id"] == as_json.json()["id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"leads": []}, "leads"),
        ({"leads": [{**LEAD, "name": ""}]}, "leads[0].name"),
        ({"leads": [LEAD, {**LEAD, "signal": b"\0\0\0"}]}, "leads[1].signal"),
        ({"sampling_rate": float("nan")}, "sampling_rate"),
        ({"username": "u"}, "username"),
    ],
)
async def test_a_broken_packed_body_is_refused_with_the_field(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    response = await client.post("/ecgs", content=pack(**change), headers=PACKED)
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert response.json()["detail"].startswith(f"{field}: ")


async def test_hostile_packed_bodies_are_refused(client: httpx.AsyncClient) -> None:
    bodies = [*PACKED_BOMBS.values(), *(body for body, _ in PACKED_TWICE.values()), pack()[:-1], b"", b"{}"]
    for body in bodies:
        response = await client.post("/ecgs", content=body, headers=PACKED)
        assert response.status_code == 422, response.text
        assert response.json()["field"]
        assert len(response.content) < 1000


async def test_a_packed_body_that_leaves_no_room_for_its_owner_is_too_large(client: httpx.AsyncClient) -> None:
    """The worker would refuse the message, after the 201."""
    limit = 16 << 20
    empty = len(pack(leads=[{"name": "I", "dtype": "int8", "signal": b"\0" * 70_000}])) - 70_000
    for size, status in ((limit - empty - 200, 201), (limit - empty, 413), (limit - empty + 1, 413)):
        body = pack(leads=[{"name": "I", "dtype": "int8", "signal": bytes(size)}])
        response = await client.post("/ecgs", content=body, headers=PACKED)
        assert response.status_code == status
    assert "must not be over 16777216 bytes" in response.json()["detail"]


async def test_every_json_body_at_the_limit_is_either_refused_or_processed(new_pipeline: NewPipeline) -> None:
    limit = 4096
    pipeline = new_pipeline(ECG_MAX_BODY_BYTES=str(limit))
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    statuses = []
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        for size in range(limit - 400, limit + 2, 20):
            # Packed, each of these samples takes eight bytes. As JSON, most take two; the ECG's id and owner are added.
            body = b'{"leads":[{"name":"I","signal":[%d' % 2**40
            body += b",1" * ((size - len(body) - 3) // 2) + b"]}]}"
            response = await client.post("/ecgs", content=body, headers={"content-type": plain.CONTENT_TYPE})
            statuses.append(response.status_code)
            if response.status_code == 201:
                assert await insights(client, response.json()["id"]) == [{"name": "I", "number_of_zero_crossings": 0}]
            else:
                assert response.json() == {
                    "detail": "body: must not be over 4096 bytes: send a long recording in parts"
                }
    assert {201, 413} == set(statuses)
    assert statuses == sorted(statuses)


async def test_the_refusal_of_another_media_type_names_both(client: httpx.AsyncClient) -> None:
    response = await client.post("/ecgs", content=b"x", headers={"content-type": "application/msgpack"})
    assert response.status_code == 415
    assert response.json() == {
        "detail": f"content-type: must be {plain.CONTENT_TYPE} or {packed.CONTENT_TYPE}",
        "field": "content-type",
    }
    # Other calls take JSON alone.
    response = await client.post("/users", content=b"\x80", headers=PACKED | {"x-admin-token": "x"})
    assert response.status_code in (401, 415)
