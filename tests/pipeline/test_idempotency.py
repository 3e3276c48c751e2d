"""A submission that is sent again with the same idempotency key is the same ECG."""

import asyncio

import pytest

from tests.support.ecgs import insights
from tests.support.pipeline import Pipeline

LEADS = [{"name": "I", "signal": [1, -1]}]
KEY = {"idempotency-key": "recorder-7/0001"}


async def test_a_retry_is_the_same_ecg_on_every_gateway(pipeline: Pipeline) -> None:
    token = await pipeline.register("retrying")
    async with pipeline.client(0, token) as one, pipeline.client(1, token) as other:
        spelt_otherwise = b'{ "leads": [ {"signal": [ 1,-1 ], "number_of_samples": 2, "name": "I"} ] }'
        json = {"content-type": "application/json"}
        responses = await asyncio.gather(
            one.post("/ecgs", json={"leads": LEADS}, headers=KEY),
            other.post("/ecgs", json={"leads": LEADS}, headers=KEY),
            other.post("/ecgs", content=spelt_otherwise, headers={**json, **KEY}),
        )
        assert {response.status_code for response in responses} == {201}
        [ecg_id] = {response.json()["id"] for response in responses}
        assert await insights(one, ecg_id) == [{"name": "I", "number_of_zero_crossings": 1}]


async def test_another_key_content_or_owner_is_another_ecg(pipeline: Pipeline) -> None:
    token, stranger = await pipeline.register("keyed"), await pipeline.register("keyed-too")
    async with pipeline.client(token=token) as client, pipeline.client(token=stranger) as other:
        responses = [
            await client.post("/ecgs", json={"leads": LEADS}, headers=KEY),
            await client.post("/ecgs", json={"leads": LEADS}, headers={"idempotency-key": "other"}),
            await client.post("/ecgs", json={"leads": LEADS * 2}, headers=KEY),
            await other.post("/ecgs", json={"leads": LEADS}, headers=KEY),
            await client.post("/ecgs", json={"leads": LEADS}),
            await client.post("/ecgs", json={"leads": LEADS, "sampling_rate": 500}, headers=KEY),
            await client.post("/ecgs", json={"leads": [{**LEADS[0], "adc_gain": 200}]}, headers=KEY),
        ]
        assert len({response.json()["id"] for response in responses}) == 7
        assert (await other.get(f"/ecgs/{responses[0].json()['id']}/insights")).status_code == 404


@pytest.mark.parametrize("key", [b"", b"a b", b"x" * 256, "é".encode()])
async def test_an_invalid_idempotency_key_is_refused(pipeline: Pipeline, key: bytes) -> None:
    async with pipeline.client(token=await pipeline.register("miskeyed")) as client:
        response = await client.post("/ecgs", json={"leads": LEADS}, headers={b"idempotency-key": key})
    assert (response.status_code, response.json()["field"]) == (422, "idempotency-key")


async def test_different_idempotency_keys_in_one_request_are_refused(pipeline: Pipeline) -> None:
    key, other = ("idempotency-key", "recorder-7/0001"), ("idempotency-key", "recorder-7/0002")
    async with pipeline.client(token=await pipeline.register("two-keys")) as client:
        refused = await client.post("/ecgs", json={"leads": LEADS}, headers=[key, other])
        repeated = await client.post("/ecgs", json={"leads": LEADS}, headers=[key, key])
        once = await client.post("/ecgs", json={"leads": LEADS}, headers=[key])
    assert (refused.status_code, refused.json()["field"]) == (422, "idempotency-key")
    assert refused.json()["detail"].endswith("send one")
    assert repeated.json() == once.json()
