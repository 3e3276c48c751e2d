"""Several ECGs in one request: each gets the answer of a single submission."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio

from ecg_client import AsyncEcgClient
from shared.encoding import packed
from tests.support.brokers import Broker
from tests.support.ecgs import insights
from tests.support.pipeline import ADMIN_TOKEN, NewPipeline, Pipeline

PACKED = {"content-type": packed.CONTENT_TYPE}


@pytest_asyncio.fixture
async def client(pipeline: Pipeline) -> Any:
    async with pipeline.client(token=await pipeline.register("batches")) as client:
        yield client


def ecg(*signal: int, **fields: Any) -> dict[str, Any]:
    return {"leads": [{"name": "I", "dtype": "int16", "signal": np.array(signal, "<i2").tobytes()}], **fields}


async def post(client: httpx.AsyncClient, batch: Any) -> httpx.Response:
    return await client.post("/ecgs/batch", content=msgspec.msgpack.encode(batch), headers=PACKED)


async def test_each_ecg_gets_an_id_in_order_and_its_own_insights(client: httpx.AsyncClient) -> None:
    # More than are under way at the same time.
    batch = [ecg(*[1, -1] * (i % 7 + 1)) for i in range(200)]
    response = await post(client, batch)
    assert response.status_code == 200, response.text
    ids = [answer["id"] for answer in response.json()["ecgs"]]
    assert len(set(ids)) == len(batch)
    for i, ecg_id in enumerate(ids):
        crossings = [{"name": "I", "number_of_zero_crossings": 2 * (i % 7 + 1) - 1}]
        assert await insights(client, ecg_id) == crossings


async def test_a_refused_ecg_does_not_stop_the_others_and_has_the_answer_that_it_gets_alone(
    client: httpx.AsyncClient,
) -> None:
    broken: list[Any] = [
        {"leads": []},
        ecg(1, patient="x"),
        ecg(1, sampling_rate=-1),
        {"leads": [{"name": "I", "dtype": "int16", "signal": b"\0\0\0"}]},
        {},
        7,
        None,
        [ecg(1)],
    ]
    batch = [entry for one in broken for entry in (ecg(1, -1), one)]
    answers = (await post(client, batch)).json()["ecgs"]
    assert all(set(answer) == {"id"} for answer in answers[::2])
    for one, answer in zip(broken, answers[1::2], strict=True):
        alone = await client.post("/ecgs", content=msgspec.msgpack.encode(one), headers=PACKED)
        # Only a submission of a batch has this field.
        answer["detail"] = answer["detail"].replace("idempotency_key, ", "")
        assert answer == {"status": alone.status_code, **alone.json()}
        assert answer["status"] == 422
    for answer in answers[::2]:
        assert await insights(client, answer["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


async def test_each_ecg_has_its_own_idempotency_key(client: httpx.AsyncClient) -> None:
    alone = await client.post(
        "/ecgs", content=msgspec.msgpack.encode(ecg(1, -1)), headers=PACKED | {"idempotency-key": "a"}
    )
    batch = [ecg(1, -1, idempotency_key=key) for key in ("a", "b", "a", None)]
    first, second = [[answer["id"] for answer in (await post(client, batch)).json()["ecgs"]] for _ in range(2)]
    assert first[0] == first[2] == alone.json()["id"]
    assert first[:3] == second[:3]
    assert len({*first, *second}) == 4
    for key in ("", "ä", "x" * 256):
        [answer] = (await post(client, [ecg(1, idempotency_key=key)])).json()["ecgs"]
        assert (answer["status"], answer["field"]) == (422, "idempotency_key")
        assert answer["detail"] == "idempotency_key: must be 1 to 255 visible ASCII characters"
    [answer] = (await post(client, [ecg(1, idempotency_key=7)])).json()["ecgs"]
    assert answer == {"status": 422, "detail": "idempotency_key: must be a text", "field": "idempotency_key"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "body: must be a list of submissions"),
        (msgspec.msgpack.encode(ecg(1)), "body: must be a list of submissions"),
        (b"\x90", "body: must hold 1 to 1000 submissions, not 0"),
        (b"\xdc\x03\xe9" + b"\xc0" * 1001, "body: must hold 1 to 1000 submissions, not 1001"),
        # Announced, and not there.
        (b"\xdd\xff\xff\xff\xff", "body: must hold 1 to 1000 submissions, not 4294967295"),
        (b"\xdc\x03", None),
        (b"\x92\xc0", None),
        (b"\x91\xc0\xc0", None),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    client: httpx.AsyncClient, body: bytes, detail: str | None
) -> None:
    response = await client.post("/ecgs/batch", content=body, headers=PACKED)
    assert (response.status_code, response.json()["field"]) == (422, "body")
    assert response.json()["detail"] == detail or detail is None


async def test_only_the_packed_encoding_is_taken(client: httpx.AsyncClient) -> None:
    response = await client.post("/ecgs/batch", json=[{"leads": [{"name": "I", "signal": [1]}]}])
    assert (response.status_code, response.json()["field"]) == (415, "content-type")
    assert packed.CONTENT_TYPE in response.json()["detail"]


async def test_a_key_for_the_whole_batch_is_refused(client: httpx.AsyncClient) -> None:
    body = msgspec.msgpack.encode([ecg(1)])
    response = await client.post("/ecgs/batch", content=body, headers=PACKED | {"idempotency-key": "night"})
    assert (response.status_code, response.json()["field"]) == (422, "idempotency-key")
    assert "its own idempotency_key" in response.json()["detail"]


async def test_each_ecg_of_a_batch_counts_for_the_quota(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway(ECG_QUOTA_ECGS_PER_MINUTE="5")
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("limited")) as client:
        answers = (await post(client, [ecg(1, -1, 1)] * 7)).json()["ecgs"]
        assert [set(answer) for answer in answers[:5]] == [{"id"}] * 5
        for answer in answers[5:]:
            assert answer["status"] == 429
            assert answer["retry_after"] >= 1
            assert answer["detail"] == "Over the quota of 5 ECGs or chunks a minute, try again later"
        refused = await post(client, [ecg(1)])
        assert refused.status_code == 429
        assert "retry-after" in refused.headers
        for answer in answers[:5]:
            assert await insights(client, answer["id"]) == [{"name": "I", "number_of_zero_crossings": 2}]


async def test_a_batch_without_a_token_is_not_read(pipeline: Pipeline) -> None:
    async with pipeline.client() as client:
        assert (await post(client, [ecg(1)])).status_code == 401


async def test_every_submission_of_a_batch_is_put_on_record(pipeline: Pipeline) -> None:
    token = await pipeline.register("batches-audited")
    async with pipeline.client(token=token) as client:
        answers = (await post(client, [ecg(1), {"leads": []}, ecg(2)])).json()["ecgs"]
    async with AsyncEcgClient(pipeline.gateways[0].url) as admin:
        events = [event async for event in admin.audit(ADMIN_TOKEN, username="batches-audited")]
    submitted = [str(event.ecg_id) for event in events if event.action == "ecg_submitted"]
    assert sorted(submitted) == sorted(answer["id"] for answer in answers if "id" in answer)
    assert len(submitted) == 2


async def test_once_the_broker_does_not_answer_the_rest_of_a_batch_is_not_tried(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_PUBLISH_TIMEOUT="0.5", ECG_TOKEN_STALENESS="600")
    gateway = pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        assert "id" in (await post(client, [ecg(1)])).json()["ecgs"][0]
        broker.pause()
        try:
            answers = (await post(client, [ecg(*range(30_000))] * 64)).json()["ecgs"]
        finally:
            broker.resume()
    assert [(answer["status"], answer["retry_after"]) for answer in answers] == [(503, 1)] * 64
    # Those that were under way: about 1 MiB.
    assert gateway.log.read_text().count("submission not acknowledged") < 32
