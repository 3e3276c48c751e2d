"""Workers answer only the gateways of their deployment."""

import asyncio
import itertools
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import orjson
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from local_stack.certificates import Authority
from shared.kafka.clients import new_producer, partition_for
from shared.kafka.topics import Topics
from shared.messages import insights as insights_message
from shared.worker_protocol import announcements
from shared.worker_protocol.announcements import Announcement
from shared.worker_protocol.auth import InternalAuth
from shared.worker_protocol.listing import Query, encode_query
from tests.support.ecgs import insights
from tests.support.messages import found, message
from tests.support.pipeline import PARTITIONS, SECRET, NewPipeline, Pipeline, Worker

PROBES = ("/health", "/health/ready")
OURS = InternalAuth(SECRET)
ECG = {"leads": [{"name": "I", "signal": [1, -1]}]}

# A worker with all web pages of Faust enabled.
TALKATIVE = """
import faust

init = faust.App.__init__

def with_every_page(self, *args, **options):
    pages = {name: True for name in options if name.startswith("web_") and name.endswith("_enabled")}
    init(self, *args, **options | pages)

faust.App.__init__ = with_every_page

from stream_agents.__main__ import main
main()
"""
PAGES = (
    "/",
    "/table/",
    "/table/insights/",
    "/router/",
    "/router/insights/",
    "/graph/",
    "/performance/metrics",
    "/rows/0/x",
    "/parts/0/x",
)


async def statuses(worker: Worker, paths: tuple[str, ...], **headers: str) -> set[int]:
    async with httpx.AsyncClient(base_url=worker.url, headers=headers) as client:
        return {(await client.get(path)).status_code for path in paths}


async def test_a_worker_answers_gateways_only(pipeline: Pipeline) -> None:
    worker = pipeline.workers[0]
    query = encode_query(Query("clinic", [0], 10, None))
    for headers in (
        {},
        {OURS.header: InternalAuth("another secret").token},
        {OURS.header: SECRET},
        {"x-user-token": OURS.token},
    ):
        assert await statuses(
            worker, (*PAGES, "/nothing", "/health/", "//health", "/health/../rows/0/x"), **headers
        ) == {401}
        async with httpx.AsyncClient(base_url=worker.url, headers=headers) as client:
            assert (await client.post("/listing", content=query)).status_code == 401
    assert await statuses(worker, PROBES) == {200}
    async with httpx.AsyncClient() as client:
        answers = [(await client.get(f"{each.url}/health/ready")).json() for each in pipeline.workers]
    assert {answer["status"] for answer in answers} == {"ready"}
    assert sorted(itertools.chain.from_iterable(answer["partitions"] for answer in answers)) == list(range(PARTITIONS))
    assert await statuses(worker, ("/rows/0/x",), **{OURS.header: OURS.token}) <= {404, 421}
    # Faust's own pages are disabled, even for gateways.
    assert await statuses(worker, ("/table/insights/", "/router/", "/graph/"), **{OURS.header: OURS.token}) == {404}


async def test_a_worker_gives_a_row_to_its_owner_alone_and_hides_that_it_exists(
    pipeline: Pipeline,
) -> None:
    name, ecg_id = "ä&owner=x+y %2B/?#€😀", str(uuid.uuid4())
    token = await pipeline.register(name)
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        topic = Topics(pipeline.settings).submissions.name
        await producer.send_and_wait(topic, orjson.dumps(message(name, ecg_id)), ecg_id.encode())
    assert await found(pipeline, token, ecg_id) == [{"name": "I", "number_of_zero_crossings": 1}]
    headers, nothing = {OURS.header: OURS.token}, str(uuid.uuid4())

    async def ask(asked: str, **question: str) -> tuple[int, Any]:
        path = f"/rows/{partition_for(asked.encode(), PARTITIONS)}/{asked}"
        for worker in pipeline.workers:
            async with httpx.AsyncClient(base_url=worker.url, headers=headers) as client:
                answer = await client.get(path, params=question)
            if answer.status_code != 421:
                break
        return answer.status_code, answer.json()

    assert (await ask(ecg_id, owner=name)) == (await ask(ecg_id)) != (404, {"ecg_id": ecg_id, "username": name})
    for question in ({}, {"wait": "0.1"}):
        assert await ask(ecg_id, owner="stranger", **question) == (404, {"ecg_id": ecg_id, "username": name})
        assert await ask(nothing, owner="stranger", **question) == (404, {"ecg_id": nothing, "username": ""})
    waits = [asyncio.create_task(ask(ecg_id, owner="stranger", wait="2")), asyncio.create_task(ask(nothing, wait="1"))]
    await waits[1]
    assert not waits[0].done()
    assert (await waits[0])[0] == 404


async def test_a_gateway_checks_the_owner_of_a_row_itself(new_pipeline: NewPipeline) -> None:
    """A worker of an older version ignores the owner in a query, and answers with anybody's row."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    row = insights_message.encode(
        insights_message.Insights("old", "owner", [{"name": "I", "number_of_zero_crossings": 1}])
    )

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=row) if request.path.endswith("/old") else web.Response(text="no such row", status=404)

    app = web.Application()
    app.router.add_get("/rows/{partition}/{ecg_id}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with new_producer(pipeline.settings) as producer:
        value = announcements.encode(Announcement(url, list(range(PARTITIONS)), []))
        await producer.send_and_wait(Topics(pipeline.settings).workers.name, value, url.encode())
    owner, stranger = await pipeline.register("owner"), await pipeline.register("stranger")
    assert await found(pipeline, owner, "old") == [{"name": "I", "number_of_zero_crossings": 1}]
    async with pipeline.client(token=stranger) as client:
        for ecg_id in ("old", "nothing"):
            refused = await client.get(f"/ecgs/{ecg_id}/insights")
            assert (refused.status_code, refused.json()) == (404, {"detail": f"ECG not found for id {ecg_id}"})
    await runner.cleanup()


async def test_gateways_and_workers_authenticate_each_other_by_certificates(
    new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    ours, theirs = (Authority.make(tmp_path / name, name) for name in ("ours", "theirs"))
    pipeline = new_pipeline(**settings(ours, ours, "member"))
    pipeline.start_gateway()
    worker = pipeline.start_worker(TALKATIVE)
    await pipeline.ready()
    # A gateway that trusts another authority, and a gateway with a certificate of another authority.
    pipeline.start_gateway(**settings(theirs, ours, "misled"))
    pipeline.start_gateway(**settings(ours, theirs, "stranger"))
    async with pipeline.client(token=await pipeline.register("clinic")) as client, eavesdropping(pipeline) as heard:
        ecg_id = (await client.post("/ecgs", json=ECG)).json()["id"]
        assert await insights(client, ecg_id) == [{"name": "I", "number_of_zero_crossings": 1}]
        assert (await client.get("/ecgs")).json()["ecgs"][0]["id"] == ecg_id
        assert (await client.get("/health/ready")).status_code == 200
        assert heard == []
    await pipeline.alive()
    for other in (1, 2):
        async with pipeline.client(other) as client:
            answer = await client.get("/health/ready")
            assert (answer.status_code, answer.json()["missing"]) == (503, ["worker"])
    member, token = trusting(ours, ours.issue("gateway")), {OURS.header: OURS.token}
    secure = worker.url.replace("http", "https")
    assert {await status(secure + page, member) for page in PAGES} == {401}
    assert await status(f"{secure}/rows/0/x", member, **token) in {404, 421}
    # Faust's pages are enabled in this worker, so that only the token kept them from the requests above.
    assert await status(f"{secure}/table/", member, **token) == 200
    for context in (trusting(ours), trusting(ours, theirs.issue("gateway")), trusting(theirs, ours.issue("gateway"))):
        with pytest.raises(aiohttp.ClientError):
            await status(f"{secure}/health", context, **token)
    with pytest.raises(aiohttp.ClientError):
        await status(f"{worker.url}/health", member, **token)


@asynccontextmanager
async def eavesdropping(pipeline: Pipeline) -> AsyncIterator[list[bytes]]:
    """Announce a worker without TLS for all partitions, and record what gateways send to it."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1 << 16))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        value = announcements.encode(Announcement(url, list(range(PARTITIONS)), []))
        async with new_producer(pipeline.settings) as producer:
            await producer.send_and_wait(Topics(pipeline.settings).workers.name, value, url.encode())
        yield heard


def settings(trusted: Authority, signer: Authority, name: str) -> dict[str, str]:
    cert, key = signer.issue(name)
    files = {"CA": trusted.certificate, "CERT": cert, "KEY": key}
    return {f"ECG_INTERNAL_{kind}_FILE": str(file) for kind, file in files.items()}


def trusting(authority: Authority, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if own:
        context.load_cert_chain(*own)
    return context


async def status(url: str, context: ssl.SSLContext, **headers: Any) -> int:
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, ssl=context) as answer:
        return answer.status
