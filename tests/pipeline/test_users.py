"""Users and their tokens: the administrator's calls, and how soon they take effect on every gateway."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from ingest_api.users import tokens
from local_stack.kafka import Distribution, KafkaCluster
from shared.kafka.clients import new_reader
from shared.kafka.topics import Topics
from tests.support.authentication import ACCEPTED, NOBODYS, ask
from tests.support.brokers import Broker, KafkaBroker, security
from tests.support.conditions import DEADLINE, eventually
from tests.support.link import Link
from tests.support.pipeline import ADMIN_TOKEN, NewPipeline, Pipeline

ADMIN = {"x-admin-token": ADMIN_TOKEN}


async def refused(client: httpx.AsyncClient, token: str) -> bool | None:
    status = await ask(client, token)
    assert status in (ACCEPTED, 401), status
    return status == 401 or None


async def post(client: httpx.AsyncClient, **user: Any) -> httpx.Response:
    return await client.post("/users", json=user, headers=ADMIN)


async def names(client: httpx.AsyncClient, **query: Any) -> tuple[list[str], str | None]:
    page = (await client.get("/users", params=query, headers=ADMIN)).json()
    return [user["username"] for user in page["users"]], page["next"]


async def test_a_deleted_user_is_gone_everywhere_and_for_good(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline(ECG_QUERY_TIMEOUT="3")
    for _ in range(2):
        pipeline.start_gateway()
    await pipeline.alive()
    token, other = await pipeline.register("leaving"), await pipeline.register("staying")
    async with pipeline.client(0) as here, pipeline.client(1) as there:
        assert [await ask(client, token) for client in (here, there)] == [ACCEPTED, ACCEPTED]
        response = await here.delete("/users/leaving", headers=ADMIN)
        # The ECGs are erased once there is a worker; the token is revoked at once.
        assert (response.status_code, response.json()) == (
            202,
            {"detail": "The erasure is durable, and will be carried out"},
        )
        assert await ask(here, token) == 401
        await eventually(lambda: refused(there, token), what="the other gateway refusing the token")
        for client in (here, there):
            assert await ask(client, other) == ACCEPTED
            assert await names(client) == (["staying"], None)
            again = await client.delete("/users/leaving", headers=ADMIN)
            assert (again.status_code, again.json()) == (404, {"detail": "User not found: leaving"})
    reader = new_reader(pipeline.settings)
    reader.subscribe([Topics(pipeline.settings).users.name])
    async with reader:
        records = [await reader.getone() for _ in range(3)]
    assert (records[-1].key, records[-1].value) == (b"leaving", None)
    # A gateway that starts later does not know the user, and accepts the name again.
    pipeline.start_gateway()
    await pipeline.alive()
    async with pipeline.client(2) as later:
        assert await ask(later, token) == 401
        fresh = await pipeline.register("leaving", 2)
        assert [await ask(later, t) for t in (fresh, token)] == [ACCEPTED, 401]


@pytest.mark.parametrize(
    "name",
    [
        "a//b/",
        "Ünïcode + space",
        "%2F",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("a/b", "100%", "?#&")),
    ],
)
async def test_every_name_can_be_deleted(pipeline: Pipeline, name: str) -> None:
    await pipeline.register(name)
    async with pipeline.client() as client:
        path = "/users/" + "".join(f"%{byte:02X}" for byte in name.encode())
        assert (await client.delete(path, headers=ADMIN)).status_code == 204
        assert (await client.delete(path, headers=ADMIN)).json() == {"detail": f"User not found: {name}"}


async def test_only_the_administrator_lists_and_deletes(pipeline: Pipeline) -> None:
    token = await pipeline.register("users-victim")
    async with pipeline.client() as client:
        for headers in ({}, {"x-admin-token": "wrong"}, {"x-admin-token": token}, {"x-user-token": token}):
            for method, path in (("DELETE", "/users/users-victim"), ("GET", "/users")):
                response = await client.request(method, path, headers=headers)
                assert (response.status_code, response.json()) == (401, {"detail": "Invalid admin token"})
        assert await ask(client, token) == ACCEPTED


async def test_the_list_has_every_user_once_with_times_and_nothing_of_tokens(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    for _ in range(2):
        pipeline.start_gateway()
    await pipeline.alive()
    begun = datetime.now(UTC)
    async with pipeline.client(0) as here, pipeline.client(1) as there:
        assert await names(here) == ([], None)
        first = (await post(here, username="b")).json()
        await post(there, username="a", expires_in=3600)
        await post(there, username="c")
        rotated = (await post(there, username="b")).json()
        response = await here.get("/users", headers=ADMIN)
        a, b, c = response.json()["users"]
        assert [user["username"] for user in (a, b, c)] == ["a", "b", "c"]
        assert all(set(user) == {"username", "created_at", "issued_at", "expires_at"} for user in (a, b, c))
        created, issued = (datetime.fromisoformat(b[name]) for name in ("created_at", "issued_at"))
        assert begun <= created < issued <= datetime.now(UTC)
        assert (c["created_at"], c["expires_at"]) == (c["issued_at"], None)
        lifetime = datetime.fromisoformat(a["expires_at"]) - datetime.fromisoformat(a["issued_at"])
        assert lifetime == timedelta(hours=1)
        for token in (first["token"], rotated["token"]):
            for secret in (token, token[4:20], tokens.digest(token).hex()):
                assert secret not in response.text
        assert await names(there, limit=2) == (["a", "b"], "b")
        assert await names(there, limit=2, after="b") == (["c"], None)
        assert await names(there, limit=3) == (["a", "b", "c"], None)
        for limit in ("0", "1001", "x"):
            refusal = await here.get("/users", params={"limit": limit}, headers=ADMIN)
            assert (refusal.status_code, refusal.json()["field"]) == (422, "limit")


async def test_an_expired_token_is_refused_like_a_wrong_one(pipeline: Pipeline) -> None:
    async with pipeline.client(0) as here, pipeline.client(1) as there:
        response = await post(here, username="users-expiring", expires_in=3)
        user = response.json()
        assert (response.status_code, set(user)) == (201, {"username", "token", "expires_at"})
        expires_at = datetime.fromisoformat(user["expires_at"])
        for client in (here, there):
            if datetime.now(UTC) < expires_at - timedelta(seconds=1):
                assert await ask(client, user["token"]) == ACCEPTED
        for client in (here, there):
            await eventually(lambda client=client: refused(client, user["token"]), what="the token's end")  # type: ignore[misc]
            assert datetime.now(UTC) >= expires_at
            for token in (user["token"], tokens.new()):
                response = await client.get(f"/ecgs/{NOBODYS}/insights", headers={"x-user-token": token})
                assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})


@pytest.mark.parametrize("value", [0, -1, 1.5, "90", True, 315_360_001, 10**30, "90d", []])
async def test_an_invalid_lifetime_is_refused(pipeline: Pipeline, value: Any) -> None:
    async with pipeline.client() as client:
        response = await post(client, username="users-lifetime", expires_in=value)
    assert (response.status_code, response.json()["field"]) == (422, "expires_in")


async def record(pipeline: Pipeline, username: str, digest: str) -> None:
    """Write a user to the topic, in the format from before tokens could expire."""
    value = {"username": username, "token_digest": digest, "created_at": "2026-11-01T00:00:00+00:00"}
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        topic = Topics(pipeline.settings).users.name
        await producer.send_and_wait(topic, json.dumps(value).encode(), username.encode())


async def test_records_from_before_tokens_could_expire_stay_valid(pipeline: Pipeline) -> None:
    token = tokens.new()
    await record(pipeline, "users-old", tokens.digest(token).hex())
    async with pipeline.client() as client:
        assert await ask(client, token) == ACCEPTED
        page = (await client.get("/users", params={"limit": 1, "after": "users-ol"}, headers=ADMIN)).json()
    assert page["users"][0] == {
        "username": "users-old",
        "created_at": "2026-11-01T00:00:00Z",
        "issued_at": "2026-11-01T00:00:00Z",
        "expires_at": None,
    }


async def test_half_a_digest_is_not_enough(pipeline: Pipeline) -> None:
    """Accounts are found by one half of the digest, but a token that matches only this half is not accepted."""
    token = tokens.new()
    await record(pipeline, "users-half", tokens.digest(token).hex()[:32] + "0" * 32)
    async with pipeline.client() as client:
        assert await ask(client, token) == 401


async def test_a_gateway_does_not_start_with_an_admin_token_that_could_be_guessed(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway(ECG_ADMIN_TOKEN="correct-horse", ECG_EMBEDDED_BROKER="false")
    assert await asyncio.to_thread(gateway.running.wait, DEADLINE) != 0
    assert "ECG_ADMIN_TOKEN must have at least 32 characters" in gateway.log.read_text()
    assert "correct-horse" not in gateway.log.read_text()


async def test_no_token_is_in_topics_or_logs(pipeline: Pipeline) -> None:
    token = await pipeline.register("users-secret")
    async with pipeline.client() as client:
        assert await ask(client, token) == ACCEPTED
        assert await ask(client, token[:-1]) == 401
    reader = new_reader(pipeline.settings)
    reader.subscribe([Topics(pipeline.settings).users.name])
    async with reader:
        while (record := await reader.getone()).key != b"users-secret":
            pass
    assert token[4:].encode() not in record.value
    assert tokens.digest(token).hex().encode() in record.value
    for gateway in pipeline.gateways:
        assert token[4:-1] not in gateway.log.read_text()


@pytest.mark.slow
async def test_a_gateway_without_a_broker_accepts_known_tokens_only_for_a_while(
    new_broker: Callable[[], Awaitable[Broker]], new_pipeline: NewPipeline
) -> None:
    staleness = 2.0
    broker = await new_broker()
    pipeline = new_pipeline(broker, ECG_TOKEN_STALENESS=str(staleness), ECG_QUERY_TIMEOUT="0.5")
    pipeline.start_gateway()
    await pipeline.alive()
    token = await pipeline.register("clinic")
    async with pipeline.client() as client:
        # While the broker answers, the view of an idle gateway does not become stale.
        await asyncio.sleep(staleness + 1)
        broker.pause()
        try:
            assert await ask(client, token) == ACCEPTED
            await asyncio.sleep(staleness)
            response = await client.get(f"/ecgs/{NOBODYS}/insights", headers={"x-user-token": token})
            assert (response.status_code, response.json()) == (
                503,
                {"detail": "Tokens cannot be checked now, try again"},
            )
            assert int(response.headers["retry-after"]) >= 1
        finally:
            broker.resume()

        async def accepted() -> bool | None:
            return await ask(client, token) == ACCEPTED or None

        await eventually(accepted, what="the token being accepted again")


@pytest.mark.kafka
async def test_known_tokens_are_accepted_while_the_brokers_fail_over(kafka: Distribution, tmp_path: Path) -> None:
    """A frozen node closes no connection: a client that waits for its answers does not notice the failure."""
    replicated = {"ECG_REPLICATION_FACTOR": "3", "ECG_MIN_INSYNC_REPLICAS": "2"}
    async with KafkaCluster(kafka, tmp_path / "kafka", nodes=3, security=security(tmp_path / "security")) as cluster:
        pipeline = Pipeline(KafkaBroker(cluster), tmp_path, "users", replicated)
        try:
            pipeline.start_gateway()
            await pipeline.alive()
            token = await pipeline.register("clinic")
            leader = await cluster.leader(Topics(pipeline.settings).users.name)
            leader.pause()
            # As of a moment after the failure, tokens that are accepted then were checked since.
            frozen_until = time.monotonic() + pipeline.settings.token_staleness + 3
            async with pipeline.client() as client:
                while time.monotonic() < frozen_until:
                    assert await ask(client, token) == ACCEPTED
                    await asyncio.sleep(0.2)
                # The view really is up to date: it knows a new user too.
                other = await pipeline.register("other")
                assert [await ask(client, t) for t in (token, other, tokens.new())] == [ACCEPTED, ACCEPTED, 401]
        finally:
            leader.resume()
            pipeline.stop()


# A gateway that connects to the broker through a link that the test can cut.
LINKED = """
import os
from aiokafka.conn import AIOKafkaConnection

connect = AIOKafkaConnection.__init__

def through_the_link(self, host, port, **options):
    connect(self, host, int(os.environ["LINK_PORT"]), **options)

AIOKafkaConnection.__init__ = through_the_link

from ingest_api.__main__ import main
main()
"""


@pytest.mark.slow
async def test_a_gateway_that_is_cut_off_accepts_a_revoked_token_no_longer_than_its_bound(
    new_pipeline: NewPipeline,
) -> None:
    staleness = 2.0
    # Longer than half a second, after which Apache Kafka answers a request that follows a long poll.
    pipeline = new_pipeline(ECG_TOKEN_STALENESS=str(staleness), ECG_QUERY_TIMEOUT="1.5")
    host, _, port = pipeline.bootstrap_servers.partition(",")[0].partition(":")
    link = Link(host, int(port))
    async with link.listening() as link_port:
        pipeline.start_gateway()
        pipeline.start_gateway(LINKED, LINK_PORT=str(link_port))
        await pipeline.alive()
        old, deleted = await pipeline.register("rotated"), await pipeline.register("deleted")
        async with pipeline.client(0) as here, pipeline.client(1) as cut_off:
            assert [await ask(cut_off, token) for token in (old, deleted)] == [ACCEPTED, ACCEPTED]
            link.cut()
            cut_at = time.monotonic()
            new = await pipeline.register("rotated")
            assert (await here.delete("/users/deleted", headers=ADMIN)).status_code == 202
            assert [await ask(here, token) for token in (old, deleted, new)] == [401, 401, ACCEPTED]
            # A token that the gateway does not know yet cannot be denied: it gets 503 instead of 401.
            assert await ask(cut_off, new) == 503

            async def silent(token: str) -> bool | None:
                asked_at = time.monotonic()
                status = await ask(cut_off, token)
                assert status in (ACCEPTED, 503)
                assert status == 503 or asked_at < cut_at + staleness
                return status == 503 or None

            for token in (old, deleted):
                await eventually(lambda token=token: silent(token), what="the gateway that is cut off being silent")  # type: ignore[misc]
            link.mend()

            async def knows() -> bool | None:
                return [await ask(cut_off, token) for token in (old, deleted, new)] == [401, 401, ACCEPTED] or None

            await eventually(knows, what="the gateway knowing what happened meanwhile")
