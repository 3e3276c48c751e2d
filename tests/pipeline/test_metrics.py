"""The metrics of gateways and workers agree with the events of the test and with the broker's offsets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from local_stack.broker import free_port
from shared.kafka.topics import Topics
from shared.worker_protocol.auth import InternalAuth
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import LEADS, insights_through_failover, submit
from tests.support.metrics import scrape
from tests.support.pipeline import PARTITIONS, SECRET, NewPipeline, Pipeline

# A worker that stores nothing while a file exists.
HELD = """
import asyncio, pathlib
from stream_agents.__main__ import main
from stream_agents.table.insights_table import InsightsTable

store = InsightsTable.store

async def held(self, rows):
    while pathlib.Path({hold!r}).exists():
        await asyncio.sleep(0.02)
    await store(self, rows)

InsightsTable.store = held
main()
"""


@dataclass
class Measured:
    """A gateway and a worker with metrics; the worker stores nothing while the file `hold` exists."""

    pipeline: Pipeline
    gateway: int
    worker: int
    hold: Path

    async def lag_by_the_broker(self) -> dict[str, float]:
        """Return the lag by partition: the end offset for committed reads minus the offset committed by the workers."""
        topic, kafka = Topics(self.pipeline.settings).submissions, self.pipeline.kafka
        tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        admin = AIOKafkaAdminClient(**kafka)
        async with AIOKafkaConsumer(**kafka, isolation_level="read_committed") as consumer:
            await admin.start()
            committed = await admin.list_consumer_group_offsets(f"{self.pipeline.prefix}-stream-agents", partitions=tps)
            ends = await consumer.end_offsets(tps)
            await admin.close()
        return {str(tp.partition): float(ends[tp] - max(committed[tp].offset, 0)) for tp in tps}

    async def caught_up(self) -> None:
        """Wait until all submissions are committed, according to the broker."""

        async def probe() -> bool | None:
            return True if not any((await self.lag_by_the_broker()).values()) else None

        await eventually(probe, interval=0.2, what="a lag of zero")


@pytest_asyncio.fixture(scope="module")
async def measured(
    new_module_pipeline: NewPipeline, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Measured]:
    pipeline, hold = new_module_pipeline(), tmp_path_factory.mktemp("measured") / "hold"
    gateway, worker = free_port(), free_port()
    pipeline.start_gateway(ECG_METRICS_PORT=str(gateway))
    pipeline.start_worker(HELD.format(hold=str(hold)), ECG_METRICS_PORT=str(worker))
    await pipeline.ready()
    yield Measured(pipeline, gateway, worker, hold)


@pytest_asyncio.fixture
async def client(measured: Measured) -> AsyncIterator[httpx.AsyncClient]:
    async with measured.pipeline.client(token=await measured.pipeline.register("clinic")) as client:
        yield client


REQUESTS = "ecg_gateway_request_duration_seconds_count"


async def test_requests_are_counted_by_call_and_status(measured: Measured, client: httpx.AsyncClient) -> None:
    before = await scrape(measured.gateway)
    [ecg_id] = await submit(client, 1)
    await insights_through_failover(client, ecg_id)
    await client.post("/ecgs", json={"leads": []})
    await client.post("/ecgs", json={"leads": LEADS}, headers={"x-user-token": "ecg_wrong"})
    await client.get("/ecgs/unknown-to-all/insights")
    await client.get("/ecgs/a-secret-path/of-somebody")
    await client.request("PATCH", "/ecgs")
    await client.get("/health/ping")
    after = await scrape(measured.gateway)

    def more(call: str, status: str) -> float:
        return after(REQUESTS, call=call, status=status) - before(REQUESTS, call=call, status=status)

    assert [more("POST /ecgs", status) for status in ("201", "401", "422")] == [1, 1, 1]
    assert more("GET /ecgs/{ecg_id}/insights", "200") == 1
    assert more("GET /ecgs/{ecg_id}/insights", "404") == 1
    assert more("GET /health/ping", "200") == 1
    assert more("other", "404") == 1
    assert more("other", "405") == 1
    publishes = "ecg_gateway_publish_duration_seconds_count"
    assert after(publishes) - before(publishes) == 1


async def test_the_bytes_held_of_submissions_are_measured(measured: Measured, client: httpx.AsyncClient) -> None:
    ending = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await ending.wait()
        yield b" " * 998 + b"}"

    async def held() -> float:
        return (await scrape(measured.gateway))("ecg_gateway_inflight_bytes")

    async def begun() -> bool | None:
        # The one byte received so far counts, not the announced length.
        return True if await held() == 1 else None

    headers = {"content-length": "1000", "content-type": "application/json"}
    sending = asyncio.create_task(client.post("/ecgs", content=body(), headers=headers))
    await eventually(begun, what="a submission held")
    ending.set()
    assert (await sending).status_code == 422
    assert await held() == 0


async def test_no_label_holds_what_a_client_sent(measured: Measured, client: httpx.AsyncClient) -> None:
    async with AIOKafkaProducer(**measured.pipeline.kafka) as producer:
        topic = Topics(measured.pipeline.settings).submissions.name
        await producer.send_and_wait(topic, b"{", b"marked-key", headers=[("content-type", b"marked/type")])
    await submit(client, 1)
    await client.get("/marked-path")
    await client.get("/ecgs/marked-id/insights")
    await client.request("PATCH", "/ecgs", headers={"x-user-token": "marked-token"})
    await measured.caught_up()
    for port in (measured.gateway, measured.worker):
        values = {value for _, labels in (await scrape(port)).samples for _, value in labels}
        assert not [value for value in values if "marked" in value or "clinic" in value]


async def test_every_ecg_is_counted_by_its_outcome(measured: Measured, client: httpx.AsyncClient) -> None:
    before = await scrape(measured.worker)
    await submit(client, 20)
    topic, kafka = Topics(measured.pipeline.settings).submissions.name, measured.pipeline.kafka
    misplaced = orjson.dumps({"id": "misplaced-1", "username": "clinic", "leads": LEADS})
    async with AIOKafkaProducer(**kafka) as producer:
        await producer.send_and_wait(topic, misplaced, b"another-key")
        await producer.send_and_wait(topic, b"{", b"k")
        await producer.send_and_wait(topic, b"{}", b"k", headers=[("content-type", b"text/plain")])
    await measured.caught_up()
    after = await scrape(measured.worker)

    def more(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert more("ecg_worker_ecgs_total", outcome="stored") == 21
    assert more("ecg_worker_ecgs_total", outcome="forwarded") == 1
    assert more("ecg_worker_ecgs_total", outcome="dead_letter") == 2
    assert more("ecg_worker_dead_letters_total", error_class="InvalidEcg") == 1
    assert more("ecg_worker_dead_letters_total", error_class="UnknownEncoding") == 1
    assert more("ecg_worker_batch_ecgs_sum") == 24
    assert more("ecg_worker_batch_duration_seconds_count") == more("ecg_worker_batch_ecgs_count")
    assert more("ecg_worker_age_seconds_count") == more("ecg_worker_batch_ecgs_count")
    assert more("ecg_worker_changelog_duration_seconds_count") > 0
    assert more("ecg_worker_commit_duration_seconds_count") > 0


async def test_a_worker_reports_its_disk_partitions_and_rows(measured: Measured, client: httpx.AsyncClient) -> None:
    await submit(client, 5)
    await measured.caught_up()
    worker = await scrape(measured.worker)
    assert worker("ecg_worker_ready") == (await scrape(measured.gateway))("ecg_gateway_ready") == 1
    assert 0 < worker("ecg_worker_disk_free_bytes") <= worker("ecg_worker_disk_bytes")
    assert worker("ecg_worker_partitions", role="active") == PARTITIONS
    assert worker("ecg_worker_partitions", role="standby") == 0
    assert worker("ecg_worker_rebalances_total") >= 1
    assert worker("ecg_worker_recovery_duration_seconds_count") >= 1
    assert worker.by("partition", "ecg_worker_table_rows").keys() == {str(n) for n in range(PARTITIONS)}
    stored = worker("ecg_worker_ecgs_total", outcome="stored")
    # RocksDB's estimate includes overwritten rows and the position of each partition.
    assert stored <= sum(worker.by("partition", "ecg_worker_table_rows").values()) <= 3 * stored + PARTITIONS
    assert sum(worker.by("partition", "ecg_worker_table_bytes").values()) > 0
    for port, component in ((measured.gateway, "gateway"), (measured.worker, "worker")):
        assert (await scrape(port)).by("component", "ecg_build_info") == {component: 1}


async def lags(measured: Measured, *, worker: bool = True) -> list[dict[str, float]]:
    """Return the lag by partition according to the broker, the gateway's metrics and the worker's metrics."""
    found = [
        await measured.lag_by_the_broker(),
        (await scrape(measured.gateway)).by("partition", "ecg_group_lag_records"),
    ]
    return found + ([(await scrape(measured.worker)).by("partition", "ecg_worker_lag_records")] if worker else [])


@pytest.mark.slow
async def test_the_lag_agrees_with_the_brokers_offsets(measured: Measured, client: httpx.AsyncClient) -> None:
    await submit(client, 30)
    await measured.caught_up()
    assert await lags(measured) == 3 * [{str(n): 0.0 for n in range(PARTITIONS)}]

    measured.hold.touch()
    await submit(client, 200)
    broker, gateway, worker = await lags(measured)
    assert sum(broker.values()) == 200
    assert gateway == worker == broker
    measured.hold.unlink()
    await measured.caught_up()
    assert await lags(measured) == 3 * [{str(n): 0.0 for n in range(PARTITIONS)}]

    # A frozen worker serves no metrics, but the gateway still reports the lag.
    measured.pipeline.workers[0].pause()
    await submit(client, 40)
    broker, gateway = await lags(measured, worker=False)
    measured.pipeline.workers[0].resume()
    assert sum(broker.values()) == 40
    assert gateway == broker
    await measured.caught_up()
    await measured.pipeline.ready()
    assert await lags(measured) == 3 * [{str(n): 0.0 for n in range(PARTITIONS)}]


async def test_transaction_markers_do_not_count_as_lag_of_the_worker(measured: Measured, broker: Broker) -> None:
    if broker.embedded:
        pytest.skip("the embedded broker has no transactions")
    topic = Topics(measured.pipeline.settings).submissions.name
    async with AIOKafkaProducer(**measured.pipeline.kafka, transactional_id=measured.pipeline.prefix) as producer:
        body = orjson.dumps({"id": "in-a-transaction", "username": "clinic", "leads": LEADS})
        async with producer.transaction():
            await producer.send_and_wait(topic, body, b"in-a-transaction")

    async def probe() -> bool | None:
        worker = (await scrape(measured.worker)).by("partition", "ecg_worker_lag_records")
        return True if len(worker) == PARTITIONS and not any(worker.values()) else None

    await eventually(probe, what="a lag of zero")


async def test_the_replicas_of_the_topics_are_reported(measured: Measured) -> None:
    gateway = await scrape(measured.gateway)
    names = {topic.name for topic in Topics(measured.pipeline.settings)}
    for name in ("ecg_topic_replicas", "ecg_topic_in_sync_replicas"):
        assert gateway.by("topic", name) == dict.fromkeys(names, 1.0)
    assert gateway("ecg_topic_min_insync_replicas") == 1


@pytest.mark.slow
async def test_an_outage_of_the_broker_is_seen_and_leaves_the_metrics_readable(
    new_broker: Callable[[], asyncio.Future[Broker]], new_pipeline: NewPipeline
) -> None:
    broker, port = await new_broker(), free_port()
    pipeline = new_pipeline(broker, ECG_PUBLISH_TIMEOUT="3", ECG_MAX_INFLIGHT_BYTES=str(1 << 20))
    pipeline.start_gateway(ECG_METRICS_PORT=str(port))
    pipeline.start_worker()
    await pipeline.ready()
    body = {"leads": [{"name": "I", "signal": [1] * 150_000}]}
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        broker.pause()
        try:
            responses = await asyncio.gather(*(client.post("/ecgs", json=body) for _ in range(10)))
            assert {response.status_code for response in responses} == {503}
            found = await scrape(port)
        finally:
            broker.resume()

    async def lag_known() -> bool | None:
        return True if len((await scrape(port)).by("partition", "ecg_group_lag_records")) == PARTITIONS else None

    await eventually(lag_known, what="the lag known again")
    assert found("ecg_gateway_ready") == 0
    memory, acknowledged = (found("ecg_gateway_refusals_total", missing=what) for what in ("memory", "broker"))
    assert memory + acknowledged == 10
    assert memory >= 1
    assert found("ecg_gateway_publish_failures_total") == acknowledged >= 1
    assert found(REQUESTS, call="POST /ecgs", status="503") == 10
    assert found("ecg_metrics_refresh_failures_total") >= 1
    assert not found.by("partition", "ecg_group_lag_records")


async def test_queries_without_a_worker_are_counted_as_such(new_pipeline: NewPipeline) -> None:
    port = free_port()
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="0.5")
    pipeline.start_gateway(ECG_METRICS_PORT=str(port))
    await pipeline.alive()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        paths = "/ecgs", "/recordings", "/ecgs/unknown/insights"
        assert [(await client.get(path)).status_code for path in paths] == [503] * len(paths)
    assert (await scrape(port)).by("missing", "ecg_gateway_refusals_total") == {
        **dict.fromkeys(("memory", "broker", "users", "gateway"), 0),
        "worker": len(paths),
    }


async def test_metrics_are_not_served_without_a_port_and_never_on_the_public_one(pipeline: Pipeline) -> None:
    async with pipeline.client() as client:
        assert (await client.get("/metrics")).status_code == 404
    gateways = InternalAuth(SECRET)
    async with httpx.AsyncClient(base_url=pipeline.workers[0].url) as worker:
        assert (await worker.get("/metrics")).status_code == 401
        assert (await worker.get("/metrics", headers={gateways.header: gateways.token})).status_code == 404
