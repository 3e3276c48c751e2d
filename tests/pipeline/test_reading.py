"""Reading ECGs back: the list of a user's ECGs, and the signals of each."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.pipeline import PARTITIONS, Pipeline
from tests.support.reading import ECG, pages, row, submit

UNKNOWN = "00000000-0000-8000-8000-000000000000"


@pytest_asyncio.fixture(scope="module")
async def client(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("reader")) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> httpx.Response:
    return await client.get(path, params=query)


def in_order(listed: list[dict[str, Any]]) -> bool:
    times = [ecg["accepted_at"] for ecg in listed]
    return times == sorted(times, reverse=True)


async def test_labels_are_listed_found_by_prefix_and_erased(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("labels")) as client:
        labels = ["night 1", "night 2", "rest", None]
        ids = {label: (await submit(client, label=label))[0] for label in labels}
        assert [ecg.get("label") for ecg in await pages(client, 10)] == labels[::-1]
        assert (await client.get(f"/ecgs/{ids['rest']}")).json()["label"] == "rest"
        assert "label" not in (await client.get(f"/ecgs/{ids[None]}")).json()

        found, query = [], {"label": "night", "limit": "1"}
        while query.get("cursor", "") is not None:
            page = (await client.get("/ecgs", params=query)).json()
            found += [ecg["label"] for ecg in page["ecgs"]]
            query["cursor"] = page["next"]
        assert found == ["night 2", "night 1"]
        refused = await client.get("/ecgs", params={"label": ""})
        assert (refused.status_code, refused.json()["field"]) == (422, "label")

        assert (await client.delete(f"/ecgs/{ids['rest']}")).status_code in (202, 204)
        assert (await get(client, "/ecgs", label="rest")).json()["ecgs"] == []


async def test_the_same_key_and_content_are_one_ecg_with_any_label(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "labelled/1"}
    answers = [await client.post("/ecgs", json={**ECG, "label": label}, headers=key) for label in ("a", "b", None)]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_missing_samples_are_read_back(client: httpx.AsyncClient) -> None:
    leads = [{"name": "I", "signal": [5, 0, 0, -5], "missing": [[1, 2]]}, {"name": "II", "signal": [0, 0]}]
    [ecg_id] = await submit(client, leads=leads)
    found = (await client.get(f"/ecgs/{ecg_id}")).json()["leads"]
    assert [lead.get("missing") for lead in found] == [[[1, 2]], None]


async def test_an_ecg_is_read_as_it_was_submitted(client: httpx.AsyncClient) -> None:
    leads = [
        {"name": "I", "signal": [1, 0, -1], "adc_gain": 200.5},
        {"name": "V1", "signal": [-(2**63), 2**63 - 1], "number_of_samples": 2},
        {"name": "I", "signal": []},
    ]
    submission = {"date": "2026-11-24T10:00:00Z", "sampling_rate": 500, "leads": leads}
    ecg_id = (await client.post("/ecgs", json=submission)).json()["id"]
    await insights(client, ecg_id)
    response = await client.get(f"/ecgs/{ecg_id}")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    document = response.json()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", document.pop("accepted_at"))
    assert document == {
        "id": ecg_id,
        "date": "2026-11-24T10:00:00Z",
        "sampling_rate": 500,
        "leads": [
            {"name": "I", "number_of_samples": 3, "adc_gain": 200.5, "signal": [1, 0, -1]},
            {"name": "V1", "number_of_samples": 2, "adc_gain": None, "signal": [-(2**63), 2**63 - 1]},
            {"name": "I", "number_of_samples": 0, "adc_gain": None, "signal": []},
        ],
    }


async def test_unknown_values_are_null(client: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(client)
    document = (await client.get(f"/ecgs/{ecg_id}")).json()
    assert (document["date"], document["sampling_rate"], document["leads"][0]["adc_gain"]) == (None, None, None)


async def test_the_largest_ecgs_are_read(client: httpx.AsyncClient) -> None:
    """Several at a time, more than the gateway has readers."""
    signal = [0] * 4_000_000 + [2**63 - 1]
    body = orjson.dumps({"leads": [{"name": "I", "signal": signal}]})
    # A client without validation, which would take too long for four million samples.
    async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers, timeout=60) as reader:
        response = await reader.post("/ecgs", content=body, headers={"content-type": "application/json"})
        ecg_id = response.json()["id"]
        await insights(client, ecg_id)
        first, *others = await asyncio.gather(*(reader.get(f"/ecgs/{ecg_id}") for _ in range(6)))
    assert first.status_code == 200, first.text
    assert orjson.loads(first.content)["leads"][0]["signal"] == signal
    assert [(other.status_code, other.content == first.content) for other in others] == [(200, True)] * 5


async def test_concurrent_reads_are_not_mixed_up(client: httpx.AsyncClient, pipeline: Pipeline) -> None:
    signals = [[number, -number] for number in range(1, 101)]
    submissions = [client.post("/ecgs", json={"leads": [{"name": "I", "signal": signal}]}) for signal in signals]
    ids = [response.json()["id"] for response in await asyncio.gather(*submissions)]
    for ecg_id in ids:
        await insights(client, ecg_id)
    read = await asyncio.gather(*(client.get(f"/ecgs/{ecg_id}") for ecg_id in ids))
    assert [response.json()["leads"][0]["signal"] for response in read] == signals


@pytest.mark.parametrize("path", ["/ecgs", "/ecgs/x"])
@pytest.mark.parametrize("token", ["", "ecg_wrong"])
async def test_reading_needs_a_token(client: httpx.AsyncClient, path: str, token: str) -> None:
    # The token is checked before the invalid parameter.
    response = await client.get(path, params={"limit": "x"}, headers={"x-user-token": token})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})


async def test_an_ecg_is_found_by_its_owner_alone(pipeline: Pipeline, client: httpx.AsyncClient) -> None:
    [ecg_id] = await submit(client)
    async with pipeline.client(token=await pipeline.register("reading-stranger")) as stranger:
        theirs, unknown = await stranger.get(f"/ecgs/{ecg_id}"), await stranger.get(f"/ecgs/{UNKNOWN}")
        assert (await stranger.get("/ecgs")).json() == {"username": "reading-stranger", "ecgs": [], "next": None}
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.content.replace(ecg_id.encode(), b"") == unknown.content.replace(UNKNOWN.encode(), b"")
    assert set(theirs.headers) == set(unknown.headers)
    for bad in ("unknown", "%00", "a%20b", "x" * 200):
        assert (await client.get(f"/ecgs/{bad}")).status_code == 404


async def test_the_list_has_the_leads_and_insights_of_each_ecg(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("listed")) as client:
        leads = [{"name": "II", "signal": [1, -1, 1]}, {"name": "II", "signal": []}]
        [ecg_id] = await submit(client, date="2026-11-24", leads=leads)
        [listed] = (await client.get("/ecgs")).json()["ecgs"]
        read = (await client.get(f"/ecgs/{ecg_id}")).json()
    assert listed == {
        "id": ecg_id,
        "date": "2026-11-24",
        "accepted_at": read["accepted_at"],
        "status": "done",
        "error": None,
        "leads": [
            {"name": "II", "number_of_samples": 3, "number_of_zero_crossings": 2},
            {"name": "II", "number_of_samples": 0, "number_of_zero_crossings": 0},
        ],
    }


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "many", ""])
async def test_an_invalid_limit_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    response = await client.get("/ecgs", params={"limit": limit})
    assert (response.status_code, response.json()["field"]) == (422, "limit")
    assert response.json()["detail"].startswith("limit: ")


async def test_a_changed_or_foreign_cursor_is_refused(pipeline: Pipeline, client: httpx.AsyncClient) -> None:
    async with (
        pipeline.client(0, await pipeline.register("paged")) as owner,
        pipeline.client(1, await pipeline.register("paged-too")) as other,
    ):
        await submit(owner, 3)
        await submit(other, 3)
        cursor = (await owner.get("/ecgs", params={"limit": 1})).json()["next"]
        assert (await owner.get("/ecgs", params={"limit": 1, "cursor": cursor})).status_code == 200
        changed = [cursor[:i] + ("A" if c != "A" else "B") + cursor[i + 1 :] for i, c in enumerate(cursor)]
        for bad in (*changed, cursor[:-1], cursor + "A", cursor + "=", "", "!", "é", "x" * 5000):
            response = await owner.get("/ecgs", params={"cursor": bad})
            assert (response.status_code, response.json().get("field")) == (422, "cursor"), bad
        response = await other.get("/ecgs", params={"cursor": cursor})
        assert (response.status_code, response.json()["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    "limit", [pytest.param(1, marks=pytest.mark.slow), 7, pytest.param(200, marks=pytest.mark.slow)]
)
async def test_pages_hold_every_ecg_once_in_order_while_more_come(pipeline: Pipeline, limit: int) -> None:
    """The pages are read from both gateways in turn, while the owner and another user submit."""
    names = (f"pages-{limit}", f"pages-{limit}-too")
    tokens = [await pipeline.register(name) for name in names]
    count = {1: 30, 7: 60, 200: 300}[limit]
    async with pipeline.client(0, tokens[0]) as owner, pipeline.client(1, tokens[1]) as other:
        before = await submit(owner, count)
        theirs = await submit(other, 20)
        stop = asyncio.Event()

        async def go_on() -> list[str]:
            added = []
            while not stop.is_set():
                added += await submit(owner) + await submit(other)
            return added

        more = asyncio.create_task(go_on())
        async with pipeline.client(1, tokens[0]) as same:
            listed: list[dict[str, Any]] = []
            query: dict[str, Any] = {"limit": limit}
            for turn in range(10**6):
                page = (await (owner, same)[turn % 2].get("/ecgs", params=query)).json()
                listed += page["ecgs"]
                if page["next"] is None:
                    break
                assert len(page["ecgs"]) == limit
                query["cursor"] = page["next"]
        stop.set()
        added = await more
        ids = [ecg["id"] for ecg in listed]
        assert len(ids) == len(set(ids))
        assert set(before) <= set(ids) <= set(before) | set(added)
        assert in_order(listed)
        # The other user's list has all of their own ECGs, and no others.
        assert {ecg["id"] for ecg in await pages(other, 200)} == set(theirs) | (set(added) - await all_ids(owner))


async def all_ids(client: httpx.AsyncClient) -> set[str]:
    return {ecg["id"] for ecg in await pages(client, 200)}


async def test_an_ecg_that_is_submitted_again_keeps_its_place(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("again")) as client:
        key = {"idempotency-key": "again"}
        first = (await client.post("/ecgs", json=ECG, headers=key)).json()["id"]
        await insights(client, first)
        await submit(client, 3)
        before = await pages(client, 200)
        offset = await row(pipeline, first)
        assert (await client.post("/ecgs", json=ECG, headers=key)).json()["id"] == first

        async def again() -> bool | None:
            found = await row(pipeline, first)
            return True if found.offset > offset.offset else None

        await eventually(again, what="the second record's row")
        assert await pages(client, 200) == before
        assert before[-1]["id"] == first
        assert (await client.get(f"/ecgs/{first}")).status_code == 200


async def produce(pipeline: Pipeline, value: bytes, key: bytes, **options: Any) -> None:
    async with AIOKafkaProducer(**pipeline.kafka, max_request_size=1 << 25) as producer:
        await producer.send_and_wait(Topics(pipeline.settings).submissions.name, value, key, **options)


async def test_producers_cannot_choose_the_time_of_acceptance(pipeline: Pipeline) -> None:
    """Neither the record's timestamp counts nor a header that workers once added to forwarded records."""
    async with pipeline.client(token=await pipeline.register("timed")) as client:
        ids = [f"timed-{number}" for number in range(4)]
        # A time in microseconds instead of milliseconds, and one of long ago.
        times = [1_795_514_400_007_000, 86_400_000, 1_795_514_400_007_000, 86_400_000]
        begun = datetime.now(UTC)
        for number, (ecg_id, timestamp) in enumerate(zip(ids, times, strict=True)):
            message = orjson.dumps({"id": ecg_id, "username": "timed", "sampling_rate": 250, **ECG})
            # In the partition of its id, or in another one, from which a worker forwards it.
            partition = (partition_for(ecg_id.encode(), PARTITIONS) + number // 2) % PARTITIONS
            forged = [("forwarded-timestamp", str(timestamp).encode())]
            await produce(
                pipeline, message, ecg_id.encode(), partition=partition, timestamp_ms=timestamp, headers=forged
            )

            async def listed(count: int = number + 1) -> bool | None:
                return True if len(await pages(client, 3)) == count else None

            await eventually(listed, what="the ECG in the list")

        last_first = await pages(client, 3)
        assert [ecg["id"] for ecg in last_first] == ids[::-1]
        for ecg in last_first:
            accepted = datetime.fromisoformat(ecg["accepted_at"])
            assert begun - timedelta(seconds=1) < accepted < datetime.now(UTC) + timedelta(seconds=1)
        for ecg_id in ids:
            assert (await client.get(f"/ecgs/{ecg_id}")).json()["sampling_rate"] == 250


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_every_ecg_of_a_batch_is_read(pipeline: Pipeline, compression: str | None) -> None:
    """The gateway must pick its record from a fetched batch."""
    username = f"batched-{compression}"
    names = (f"{username}-{number}" for number in range(1000))
    ids = [name for name in names if partition_for(name.encode(), PARTITIONS) == 1][:20]
    topic = Topics(pipeline.settings).submissions.name
    async with AIOKafkaProducer(**pipeline.kafka, compression_type=compression, linger_ms=200) as producer:
        sent = []
        for number, ecg_id in enumerate(ids):
            lead = {"name": "I", "signal": [number] * 10}
            message = orjson.dumps({"id": ecg_id, "username": username, "leads": [lead]})
            sent.append(await producer.send(topic, message, ecg_id.encode()))
        await asyncio.gather(*sent)
    async with pipeline.client(token=await pipeline.register(username)) as client:

        async def all_there() -> bool | None:
            return True if len(await all_ids(client)) == len(ids) else None

        await eventually(all_there, what="all of the batch in the list")
        read = [await client.get(f"/ecgs/{ecg_id}") for ecg_id in ids]
        assert [response.json()["leads"][0]["signal"][0] for response in read] == list(range(len(ids)))


async def test_an_ecg_that_could_not_be_processed_is_listed_with_its_reason(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("failing")) as client:
        broken = b'{"id": "failing-1", "username": "failing", "leads": [{"name": "I", "signal": [77777777, 0.5]}]}'
        await produce(pipeline, broken, b"failing-1")

        async def there() -> dict[str, Any] | None:
            listed = (await client.get("/ecgs")).json()["ecgs"]
            return dict(listed[0]) if listed else None

        listed = await eventually(there, what="the failed ECG in the list")
        reason = "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain"
        assert listed | {"accepted_at": None} == {
            "id": "failing-1",
            "date": None,
            "accepted_at": None,
            "status": "failed",
            "error": reason,
            "leads": [],
        }
        response = await client.get("/ecgs/failing-1")
        assert (response.status_code, response.json()) == (422, {"detail": reason})
