"""Limits: wrong tokens by address, submissions by user."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from ecg_client import EcgClient, Recording
from ingest_api.users import tokens
from tests.support.authentication import ACCEPTED, NOBODYS, ask
from tests.support.brokers import Broker
from tests.support.pipeline import ADMIN_TOKEN, NewPipeline, Pipeline

ECG = {"leads": [{"name": "I", "signal": [1, -1]}]}
LIMIT = 4
TOO_MANY = {"detail": "Too many wrong tokens from your address, try again later"}


def from_address(pipeline: Pipeline, address: str, index: int = 0) -> httpx.AsyncClient:
    """Return a client whose requests come from an address of this machine."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    return httpx.AsyncClient(base_url=pipeline.gateways[index].url, transport=transport, timeout=30)


async def exhaust(client: httpx.AsyncClient, **headers: str) -> None:
    """Send wrong tokens up to the limit, and check that exactly the next one gets 429."""
    for number in range(LIMIT):
        response = await client.get(f"/ecgs/{NOBODYS}/insights", headers={"x-user-token": tokens.new(), **headers})
        assert (number, response.status_code) == (number, 401)
    response = await client.get(f"/ecgs/{NOBODYS}/insights", headers={"x-user-token": tokens.new(), **headers})
    assert (response.status_code, response.json()) == (429, TOO_MANY)
    # The next token is checked again after a fraction of a minute.
    assert 1 <= int(response.headers["retry-after"]) <= 60 / LIMIT


async def test_wrong_tokens_are_limited_by_address_and_right_ones_are_not(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_AUTH_FAILURES_PER_MINUTE=str(LIMIT))
    pipeline.start_gateway()
    await pipeline.alive()
    token = await pipeline.register("clinic")
    async with from_address(pipeline, "127.0.0.1") as client, from_address(pipeline, "127.0.0.2") as other:
        await exhaust(client)
        # An address in a header is ignored unless it comes from a trusted proxy.
        for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
            response = await client.get("/ecgs/x/insights", headers={"x-user-token": "wrong", header: "192.0.2.1"})
            assert response.status_code == 429
        admin = {"x-admin-token": "wrong"}
        for method, path in (("POST", "/users"), ("GET", "/users"), ("DELETE", "/users/clinic")):
            response = await client.request(method, path, headers=admin)
            assert (response.status_code, response.json()) == (429, TOO_MANY)
        # Right tokens and requests without a token are not limited.
        assert await ask(client, token) == ACCEPTED
        assert (await client.post("/ecgs", json=ECG, headers={"x-user-token": token})).status_code == 201
        assert (await client.get("/users", headers={"x-admin-token": ADMIN_TOKEN})).status_code == 200
        assert (await client.get("/ecgs/x/insights")).status_code == 401
        assert await ask(other, tokens.new()) == 401


async def test_wrong_admin_tokens_are_limited_too(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_AUTH_FAILURES_PER_MINUTE=str(LIMIT))
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client() as client:
        statuses = [
            (await client.post("/users", content=b"{", headers={"x-admin-token": f"guess-{number}"})).status_code
            for number in range(LIMIT + 1)
        ]
    assert statuses == [401] * LIMIT + [429]


async def test_a_forwarded_address_is_accepted_from_a_trusted_proxy_only(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_AUTH_FAILURES_PER_MINUTE=str(LIMIT), ECG_TRUSTED_PROXIES="127.0.0.2, 10.0.0.0/8")
    pipeline.start_gateway()
    await pipeline.alive()
    async with from_address(pipeline, "127.0.0.2") as proxy, from_address(pipeline, "127.0.0.3") as stranger:
        await exhaust(proxy, **{"x-forwarded-for": "192.0.2.1"})
        wrong = {"x-user-token": tokens.new()}

        async def status(client: httpx.AsyncClient, forwarded_for: str) -> int:
            headers = {**wrong, "x-forwarded-for": forwarded_for}
            return (await client.get("/ecgs/x/insights", headers=headers)).status_code

        # The client's address is the last one that is not a trusted proxy's; addresses before it are ignored.
        assert await status(proxy, "192.0.2.7, 192.0.2.1") == 429
        assert await status(proxy, "192.0.2.1, 10.1.2.3") == 429
        assert await status(proxy, "192.0.2.2") == 401
        await exhaust(stranger, **{"x-forwarded-for": "192.0.2.3"})
        assert await status(stranger, "192.0.2.4") == 429
        assert await status(proxy, "192.0.2.3") == 401
        # All addresses of an IPv6 network (/64) count as one.
        for number in range(LIMIT):
            assert await status(proxy, f"2001:db8::{number}") == 401
        assert await status(proxy, "2001:db8::ffff") == 429
        assert await status(proxy, "2001:db8:0:1::") == 401


async def test_malformed_tokens_and_tokens_over_the_limit_do_not_need_the_broker(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    """The broker does not answer: a gateway that asked it could only answer 503."""
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_AUTH_FAILURES_PER_MINUTE=str(LIMIT), ECG_QUERY_TIMEOUT="0.5")
    pipeline.start_gateway()
    await pipeline.alive()
    token = await pipeline.register("clinic")
    async with pipeline.client() as client:
        broker.pause()
        try:
            assert await ask(client, tokens.new()) == 503
            slip = tokens.new()
            slip = slip[:10] + ("a" if slip[10] != "a" else "b") + slip[11:]
            for malformed in ("wrong", slip, *([slip] * (LIMIT - 2))):
                assert await ask(client, malformed) == 401
            assert await ask(client, tokens.new()) == 429
            assert await ask(client, token) == ACCEPTED
        finally:
            broker.resume()


async def test_a_users_ecgs_are_limited_and_other_users_are_not(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUOTA_ECGS_PER_MINUTE="5")
    pipeline.start_gateway()
    await pipeline.alive()
    token, other = await pipeline.register("busy"), await pipeline.register("other")
    async with pipeline.client(token=token) as client:
        responses = await asyncio.gather(*(client.post("/ecgs", json=ECG) for _ in range(8)))
        assert sorted(response.status_code for response in responses) == [201] * 5 + [429] * 3
        [response, *_] = [response for response in responses if response.status_code == 429]
        assert response.json() == {"detail": "Over the quota of 5 ECGs or chunks a minute, try again later"}
        wait = int(response.headers["retry-after"])
        assert 1 <= wait <= 12
        assert response.headers["ratelimit-policy"] == '"ecgs";q=5;w=60'
        assert response.headers["ratelimit"] == f'"ecgs";r=0;t={wait}'
        # Reading is not limited.
        assert await ask(client, token) == ACCEPTED
    async with pipeline.client(token=other) as client:
        assert (await client.post("/ecgs", json=ECG)).status_code == 201


async def test_a_users_bytes_are_limited_with_and_without_chunks(new_pipeline: NewPipeline) -> None:
    body = json.dumps({"leads": [{"name": "I", "signal": [1] * 10_000}]}).encode()
    pipeline = new_pipeline(ECG_QUOTA_BYTES_PER_MINUTE=str(len(body) * 5 // 2))
    pipeline.start_gateway()
    await pipeline.alive()

    async def chunks() -> AsyncIterator[bytes]:
        for begin in range(0, len(body), 1000):
            yield body[begin : begin + 1000]

    headers = {"content-type": "application/json"}
    for username, in_chunks in (("measured", False), ("in chunks", True)):
        async with pipeline.client(token=await pipeline.register(username)) as client:
            statuses = []
            for _ in range(4):
                content = chunks() if in_chunks else body
                statuses.append((await client.post("/ecgs", content=content, headers=headers)).status_code)
            # The third is accepted because some quota is left, though less than its size.
            assert (username, statuses) == (username, [201, 201, 201, 429])


async def test_the_client_waits_for_its_quota(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUOTA_ECGS_PER_MINUTE="30")
    pipeline.start_gateway()
    await pipeline.alive()
    token = await pipeline.register("patient")

    def submit_all() -> set[str]:
        with EcgClient(pipeline.gateways[0].url, token) as client:
            return {client.submit(Recording.of([("I", [number])])) for number in range(31)}

    assert len(await asyncio.to_thread(submit_all)) == 31
