"""Log lines: they are enough to follow a request, and contain no health data and no token."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from ingest_api.users import tokens
from shared.kafka.clients import new_reader
from shared.kafka.topics import Topics
from stream_agents.faust_fixes.poll import Poll
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import LEADS, insights_through_failover
from tests.support.paths import ROOT
from tests.support.pipeline import ADMIN_TOKEN, SECRET, NewPipeline, Pipeline
from tests.support.process import Process

JSON = {"content-type": "application/json"}
# As JSON its digits are in a message, packed its bytes, which are letters.
SAMPLE = int.from_bytes(b"MARK", "little")
MARKED = [{"name": "Telltale lead", "signal": [SAMPLE, -SAMPLE] * 50}]
TELLTALES = (str(SAMPLE), "MARKMARK", "MARK\\x", "Telltale", "ecg_telltale")

# A worker whose insight quotes samples when it fails.
QUOTING = """
import msgspec

from stream_agents import insights
from stream_agents.__main__ import main

count = insights.INSIGHTS["number_of_zero_crossings"]

def quoting(recording):
    if len(recording.leads) == 2:
        signal = recording.leads[0].signal
        raise ValueError(signal.tolist(), signal.tobytes())
    return count.compute(recording)

insights.INSIGHTS["number_of_zero_crossings"] = msgspec.structs.replace(count, compute=quoting, compute_many=None)
main()
"""


def lines(process: Process) -> list[dict[str, Any]]:
    """Return what a process logged, each line an object."""
    return [json.loads(line) for line in process.log.read_text().splitlines()]


async def line(process: Process, **fields: object) -> dict[str, Any]:
    """Wait for a line with these fields, and return it."""

    async def probe() -> dict[str, Any] | None:
        return next((found for found in lines(process) if fields.items() <= found.items()), None)

    return await eventually(probe, what=f"a line of {process.name} with {fields}")


@pytest_asyncio.fixture(scope="module")
async def logged(new_module_pipeline: NewPipeline) -> AsyncIterator[Pipeline]:
    pipeline = new_module_pipeline(ECG_LOG_FORMAT="json", ECG_ACCESS_LOG="true")
    pipeline.start_gateway()
    pipeline.start_worker(QUOTING)
    await pipeline.ready()
    yield pipeline


@pytest_asyncio.fixture(scope="module")
async def client(logged: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with logged.client(token=await logged.register("clinic")) as client:
        yield client


Ask = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[httpx.Response]]
EVERY_ANSWER: dict[str, tuple[int, Ask]] = {
    "accepted": (201, lambda c, h: c.post("/ecgs", json={"leads": LEADS}, headers=h)),
    "no token": (401, lambda c, h: c.post("/ecgs", json={}, headers={**h, "x-user-token": "ecg_wrong"})),
    "broken": (422, lambda c, h: c.post("/ecgs", content=b"{", headers={**h, **JSON})),
    "media type": (415, lambda c, h: c.post("/ecgs", content=b"", headers={**h, "content-type": "text/csv"})),
    "no such ECG": (404, lambda c, h: c.get("/ecgs/nobodys/insights", headers=h)),
    "no such path": (404, lambda c, h: c.get("/nowhere", headers=h)),
    "no such method": (405, lambda c, h: c.put("/ecgs", headers=h)),
    "no admin": (401, lambda c, h: c.post("/users", json={}, headers=h)),
    "health": (200, lambda c, h: c.get("/health/ping", headers=h)),
    "documentation": (200, lambda c, h: c.get("/openapi.json", headers=h)),
}


@pytest.mark.parametrize("what", EVERY_ANSWER)
async def test_every_answer_has_the_id_of_its_request_and_a_line_of_its_own(
    logged: Pipeline, client: httpx.AsyncClient, what: str
) -> None:
    status, ask = EVERY_ANSWER[what]
    given = f"test-{what.replace(' ', '-')}"
    response = await ask(client, {"x-request-id": given})
    assert (response.status_code, response.headers.get_list("x-request-id")) == (status, [given])
    assert (await line(logged.gateways[0], request_id=given, event="answered"))["status"] == status
    made = {(await ask(client, {})).headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", '"quoted"', "é", "-"])
async def test_an_id_that_may_not_stand_in_a_line_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/health/ping", headers={b"x-request-id": given.encode("latin-1")})
    assert response.status_code == 200
    assert response.headers["x-request-id"] not in ("", given)


async def dead_letters(pipeline: Pipeline) -> list[ConsumerRecord]:
    reader: AIOKafkaConsumer = new_reader(pipeline.settings)
    reader.subscribe([Topics(pipeline.settings).dlq.name])
    async with reader:
        return [record for records in (await reader.getmany(timeout_ms=2000)).values() for record in records]


async def test_a_request_is_followed_to_the_workers_line(logged: Pipeline, client: httpx.AsyncClient) -> None:
    response = await client.post("/ecgs", json={"leads": LEADS}, headers={"x-request-id": "followed"})
    found = await line(logged.workers[0], event="processed", request_id="followed")
    assert found["ecg_id"] == response.json()["id"]
    assert found["outcome"] == "stored"


async def test_a_dead_letter_keeps_the_id_and_its_line_has_it(logged: Pipeline, client: httpx.AsyncClient) -> None:
    leads = [*LEADS, *LEADS]  # two, on which the worker's insight fails
    response = await client.post("/ecgs", json={"leads": leads}, headers={"x-request-id": "dead"})
    assert response.status_code == 201
    assert (await line(logged.workers[0], event="dead letter", request_id="dead"))["error"] == "ComputationError"

    async def letter() -> ConsumerRecord | None:
        found = [r for r in await dead_letters(logged) if ("x-request-id", b"dead") in r.headers]
        return found[0] if found else None

    assert (await eventually(letter)).key.decode() == response.json()["id"]


@pytest.mark.parametrize("form", ["json", pytest.param("logfmt", marks=pytest.mark.slow)])
async def test_no_line_ever_holds_a_signal_a_token_or_a_body(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline, form: str
) -> None:
    """Neither at DEBUG, nor in success, nor in any failure."""
    broker = await new_broker()
    pipeline = new_pipeline(
        broker,
        ECG_LOG_LEVEL="DEBUG",
        ECG_LOG_FORMAT=form,
        ECG_ACCESS_LOG="true",
        ECG_PUBLISH_TIMEOUT="3",
        ECG_MAX_BODY_BYTES="20000",
    )
    gateway, worker = pipeline.start_gateway(), pipeline.start_worker(QUOTING)
    await pipeline.ready()
    token = await pipeline.register("clinic")
    topic = Topics(pipeline.settings).submissions.name
    good, key = {"leads": MARKED, "label": "Telltale label"}, {"idempotency-key": "Telltale-key"}
    async with pipeline.client(token=token) as client:
        accepted = await client.post("/ecgs", json=good, headers=key)
        await insights_through_failover(client, accepted.json()["id"])
        for body in (
            orjson.dumps(good)[:-1],
            orjson.dumps({"leads": [{"name": "Telltale", "signal": [SAMPLE, 0.5]}]}),
            orjson.dumps({"leads": [{"name": "Telltale", "signal": f"{SAMPLE}"}]}),
            orjson.dumps({"leads": MARKED, "date": "Telltale"}),
            orjson.dumps({"leads": MARKED, "label": "Telltale\n"}),
            orjson.dumps({"leads": 40 * MARKED}),
        ):
            assert (await client.post("/ecgs", content=body, headers=JSON)).status_code in (413, 422)
        # Well formed: one that is not is refused without asking the broker.
        wrong = {"x-user-token": tokens.new()}
        assert (await client.get("/ecgs/x/insights", headers={"x-user-token": "ecg_telltale"})).status_code == 401
        assert (await client.post("/ecgs", json=good, headers=wrong)).status_code == 401
        assert (await client.post("/users", json={}, headers={"x-admin-token": "ecg_telltale"})).status_code == 401
        assert (await client.get("/ecgs/Telltale/insights?x=ecg_telltale")).status_code == 404
        assert (await client.get("/Telltale?token=ecg_telltale")).status_code == 404
        assert len((await client.get("/ecgs", params={"label": "Telltale"})).json()["ecgs"]) == 1
        assert (await client.get("/ecgs", params={"label": 201 * "Telltale"})).status_code == 422
        failing = await client.post("/ecgs", json={"leads": 2 * MARKED})
        async with AIOKafkaProducer(**pipeline.kafka) as producer:
            direct = {"id": "misplaced", "username": "clinic", **good}
            for value in (
                orjson.dumps(direct),
                orjson.dumps(direct)[:-1],
                orjson.dumps({**direct, "id": accepted.json()["id"], "username": "Telltale"}),
                orjson.dumps({**direct, "leads": 40 * MARKED}),
            ):
                await producer.send_and_wait(topic, value, b"Telltale-key", headers=[("x-request-id", b"ecg telltale")])

        async def all_dead() -> bool | None:
            return True if worker.log.read_text().count("dead letter") >= 4 else None

        await eventually(all_dead, what="the dead letters")
        assert (await client.get(f"/ecgs/{failing.json()['id']}/insights")).status_code == 422
        broker.pause()
        try:
            assert (await client.post("/ecgs", json=good)).status_code == 503
            assert (await client.get("/ecgs/x/insights", headers=wrong)).status_code == 503
        finally:
            broker.resume()

        async def again() -> str | None:
            response = await client.post("/ecgs", json=good)
            return str(response.json()["id"]) if response.status_code == 201 else None

        await insights_through_failover(client, await eventually(again))
    pipeline.stop()
    assert "debug" in worker.log.read_text()
    for process in (gateway, worker):
        text = process.log.read_text()
        for secret in (*TELLTALES, token, *wrong.values(), ADMIN_TOKEN, SECRET):
            found = [at for at in text.splitlines() if secret in at]
            assert not found, f"{process.name}, {secret}: {found[0][:300]}"


@pytest.mark.slow
async def test_an_outage_does_not_fill_the_log(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    """Every Kafka client of a process says of each attempt that it failed."""
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_LOG_FORMAT="json")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    broker.kill()
    processes = [*pipeline.gateways, *pipeline.workers]

    async def told() -> bool | None:
        return all(any(found["level"] == "error" for found in lines(process)) for process in processes) or None

    await eventually(told, what="lines about the outage")
    # Every client tries again several times a second.
    await asyncio.sleep(3)
    for process in processes:
        of_libraries = Counter(
            (found["logger"], found["event"])
            for found in lines(process)
            if found["logger"].startswith(("aiokafka", "faust", "mode"))
        )
        assert of_libraries
        assert set(of_libraries.values()) == {1}, of_libraries


def test_a_poll_which_faust_may_name_in_a_line_does_not_show_its_messages() -> None:
    record = ConsumerRecord("t", 0, 0, 0, 0, b"k", b"MARKMARK", None, 1, 8, ())
    assert "MARK" not in repr(Poll([record], 0))


FAILING = """
import asyncio, httpx
from ingest_api.http.instrumentation import Calls, Observed
from shared import logging_setup

async def failing(*_):
    raise ValueError("Telltale")

async def main():
    transport = httpx.ASGITransport(Observed(failing, Calls([]), access_log=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        response = await client.get("/", headers={"x-request-id": "unforeseen"})
        print(response.status_code, response.text, response.headers["x-request-id"])

logging_setup.configure("DEBUG", "json")
asyncio.run(main())
"""


def test_what_fails_unforeseen_is_answered_with_the_id_and_told_without_its_text() -> None:
    ran = subprocess.run([sys.executable, "-c", FAILING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == '500 {"detail":"Internal error"} unforeseen\n'
    [told] = [line for line in map(json.loads, ran.stderr.splitlines()) if line["level"] == "error"]
    assert (told["request_id"], told["error"]) == ("unforeseen", "ValueError")
    assert "failing (<string>" in told["where"]
    assert "Telltale" not in ran.stderr
