"""The pipeline on an Apache Kafka with TLS, authentication, and no permissions except those granted."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import ApiVersionRequest, CreateAclsRequest, DeleteAclsRequest

from contracts import acls
from contracts.acls import Acl, Operation, Resource, Role
from local_stack.broker import free_port
from local_stack.certificates import Authority
from local_stack.kafka import Distribution, KafkaCluster, Security
from shared.kafka import patience, topics
from shared.kafka.clients import admin_client, client_options, new_producer, new_reader, worker_group
from shared.kafka.topics import Topics
from shared.settings import Settings
from tests.support.brokers import KafkaBroker
from tests.support.conditions import DEADLINE, eventually
from tests.support.ecgs import insights
from tests.support.events import stream
from tests.support.messages import found, message
from tests.support.metrics import scrape
from tests.support.paths import ROOT
from tests.support.pipeline import ADMIN_TOKEN, Pipeline

# A user who may write to no topic at all may not produce idempotently either, and gets the error of the cluster first.
REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)

pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture(scope="module")
async def cluster(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaCluster]:
    directory = tmp_path_factory.mktemp("secure")
    security = Security.make(directory / "security", acls.users().values())
    async with KafkaCluster(kafka, directory, security=security) as cluster:
        yield cluster


def security(cluster: KafkaCluster) -> Security:
    assert cluster.security is not None
    return cluster.security


@dataclass
class Permitted:
    """A pipeline with topics and permissions but without processes, and an admin client."""

    pipeline: Pipeline
    admin: AIOKafkaClient

    def settings(self, role: Role) -> Settings:
        values = self.pipeline.env_of(role)
        return Settings.model_validate({name.removeprefix("ECG_").lower(): value for name, value in values.items()})

    async def change(self, request: type[CreateAclsRequest | DeleteAclsRequest], role: Role, acl: Acl) -> None:
        user = f"User:{acls.users()[role]}"
        changed = request(acl.resource, acl.name, 3, user, "*", acl.operation, 3)
        answer = (await self.admin.send(self.admin.get_random_node(), changed)).to_object()
        [result] = answer.get("creation_responses") or answer["filter_responses"]
        assert result["error_code"] == 0
        assert len(result.get("matching_acls", [acl])) == 1


@pytest_asyncio.fixture(scope="module")
async def permitted(cluster: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Permitted]:
    pipeline = Pipeline(KafkaBroker(cluster), tmp_path_factory.mktemp("permitted"), "permitted")
    await topics.create(pipeline.settings)
    await acls.apply(pipeline.settings, acls.users())
    await cluster.coordinator(worker_group(pipeline.settings))
    async with new_producer(pipeline.settings) as producer:
        for topic in Topics(pipeline.settings):
            await producer.send_and_wait(topic.name, b"{}", b"key", partition=0)
    client = AIOKafkaClient(**pipeline.kafka)
    await client.bootstrap()
    yield Permitted(pipeline, client)
    await client.close()


async def produce(settings: Settings, topic: str) -> None:
    async with new_producer(settings) as producer:
        await producer.send_and_wait(topic, b"{}", b"key")


async def read(settings: Settings, topic: str) -> None:
    async with new_reader(settings) as reader:
        if topic not in await reader.topics():
            raise TopicAuthorizationFailedError(topic)
        reader.assign([TopicPartition(topic, 0)])
        assert await asyncio.wait_for(reader.getone(), DEADLINE)


async def join(settings: Settings) -> None:
    options: dict[str, Any] = {"group_id": worker_group(settings), "enable_auto_commit": False}
    topic = Topics(settings).submissions.name
    async with AIOKafkaConsumer(topic, **client_options(settings), **options, auto_offset_reset="earliest") as consumer:
        assert await asyncio.wait_for(consumer.getone(), DEADLINE)
        await consumer.commit({TopicPartition(topic, 0): 0})


async def start(settings: Settings) -> None:
    await topics.prepare(settings)


async def create(settings: Settings, topic: str) -> None:
    """Check that the permission to create this topic, which exists already, is granted."""
    async with admin_client(settings) as admin:
        response = await admin.create_topics([NewTopic(topic, 1, 1)], validate_only=True)
    [(_, code, *_)] = response.topic_errors
    if for_code(code).__name__ != "TopicAlreadyExistsError":
        raise for_code(code)(topic)


async def lag(settings: Settings) -> None:
    async with admin_client(settings) as admin:
        await admin.list_consumer_group_offsets(worker_group(settings))


async def use(settings: Settings, acl: Acl) -> None:
    """Use a permission with a client of the role."""
    match acl.resource, acl.operation:
        case Resource.TOPIC, Operation.WRITE:
            await produce(settings, acl.name)
        case Resource.TOPIC, Operation.READ:
            await read(settings, acl.name)
        case Resource.TOPIC, Operation.DESCRIBE | Operation.DESCRIBE_CONFIGS:
            await start(settings)
        case Resource.TOPIC, Operation.CREATE:
            await create(settings, acl.name)
        case Resource.GROUP, Operation.READ:
            await join(settings)
        case _:
            await lag(settings)


EVERY = [(role, acl) for role in Role for acl in acls.acls(role, Settings.model_construct(topic_prefix="permitted"))]


@pytest.mark.parametrize(
    ("role", "acl"), EVERY, ids=[f"{role}-{acl.operation.name.lower()}-{acl.name}" for role, acl in EVERY]
)
async def test_every_permission_is_needed_by_its_role(permitted: Permitted, role: Role, acl: Acl) -> None:
    settings = permitted.settings(role)

    async def works() -> bool | None:
        try:
            await use(settings, acl)
        except REFUSED:
            return None
        return True

    async def fails() -> bool | None:
        return None if await works() else True

    await permitted.change(DeleteAclsRequest, role, acl)
    try:
        await eventually(fails, what="a refusal")
    finally:
        await permitted.change(CreateAclsRequest, role, acl)
    await eventually(works, what="what is permitted again")


async def test_the_whole_pipeline_works_with_the_permissions_of_its_roles(
    cluster: KafkaCluster, tmp_path: Path
) -> None:
    pipeline = Pipeline(
        KafkaBroker(cluster), tmp_path, "whole", {"ECG_LOG_LEVEL": "DEBUG", "ECG_ENCRYPT_SUBMISSIONS": "true"}
    )
    operator, producer, reader = (
        {**os.environ, **pipeline.env_of(role)} for role in (Role.OPERATOR, Role.PRODUCER, Role.READER)
    )
    # Permissions must be granted first, including those of the operator.
    await acls.apply(pipeline.settings, acls.users())
    await run(operator, "-m", "shared.kafka.topics")
    await run(operator, "-m", "shared.kafka.topics")
    pipeline._prepared = True
    metrics = free_port()
    try:
        pipeline.start_gateway(ECG_METRICS_PORT=str(metrics))
        pipeline.start_worker()
        await pipeline.ready()
        token = await pipeline.register("clinic")
        async with pipeline.client(token=token) as client, stream(client) as events:
            ecg_id = (await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})).json()["id"]
            assert await insights(client, ecg_id) == [{"name": "I", "number_of_zero_crossings": 1}]
            await events.read_until([ecg_id])
            assert (await client.get(f"/ecgs/{ecg_id}")).json()["leads"][0]["signal"] == [1, -1]
            assert [ecg["id"] for ecg in (await client.get("/ecgs")).json()["ecgs"]] == [ecg_id]
            file = tmp_path / "a.json"
            file.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": [1, -1, 1]}]}))
            printed = await run(producer, "-m", "ecg_client", "produce", "--as", "clinic", "--json", str(file))
            produced = orjson.loads(printed)["id"]
            assert await found(pipeline, token, produced) == [{"name": "I", "number_of_zero_crossings": 2}]
        await misplaced_and_poison(pipeline, token, operator)
        lags = await scrape(metrics)
        assert len(lags.by("partition", "ecg_group_lag_records")) == 12
        assert len(lags.by("topic", "ecg_topic_replicas")) == len(list(Topics(pipeline.settings)))
        async with new_reader(settings_of(reader)) as rows:
            rows.subscribe([Topics(pipeline.settings).insights.name])
            assert (await asyncio.wait_for(rows.getone(), DEADLINE)).key
    finally:
        pipeline.stop()
    logs = "".join(process.log.read_text() for process in (*pipeline.gateways, *pipeline.workers))
    assert "serving" in logs
    assert not [user for user, password in security(cluster).passwords.items() if password in logs]
    assert "AuthorizationFailed" not in logs


async def test_connections_to_kafka_are_closed_at_once(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Each reading of the audit closes connections on which brokers still answer, and does not wait for them."""
    pipeline = Pipeline(KafkaBroker(cluster), tmp_path, "closing")
    try:
        pipeline.start_gateway()
        pipeline.start_worker()
        await pipeline.ready()
        async with pipeline.client(token=await pipeline.register("clinic")) as client:
            for _ in range(100):
                await client.get("/ecgs?limit=1")
            for _ in range(5):
                response = await client.get("/audit", headers={"x-admin-token": ADMIN_TOKEN})
                assert response.status_code == 200, response.text
                assert len(response.json()["events"]) == 100
    finally:
        # Fails if a process takes too long to stop.
        pipeline.stop()


async def misplaced_and_poison(pipeline: Pipeline, token: str, operator: dict[str, str]) -> None:
    """Let the worker forward an ECG and make a dead letter, and let the operator list and replay that."""
    topic = Topics(pipeline.settings).submissions.name
    misplaced = message("clinic")
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        await producer.send_and_wait(topic, orjson.dumps(misplaced), b"another-key")
        await producer.send_and_wait(topic, b"{", b"poison")
    await found(pipeline, token, misplaced["id"])

    async def listed() -> list[str] | None:
        lines = (await run(operator, "-m", "ecg_client", "dlq", "list", "--json")).splitlines()
        return [orjson.loads(line)["letter"] for line in lines] or None

    [letter] = await eventually(listed, interval=0.2, what="a dead letter")
    assert f"{letter} -> {topic}" in await run(operator, "-m", "ecg_client", "dlq", "replay", letter)

    async def again() -> bool | None:
        # The first is dealt with.
        return True if (await listed() or [letter]) != [letter] else None

    await eventually(again, interval=0.2, what="the replayed one's dead letter")


async def run(env: dict[str, str], *arguments: str, code: int = 0) -> str:
    command = [sys.executable, *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return str(done.stderr if code else done.stdout)


def settings_of(env: dict[str, str]) -> Settings:
    # As from the environment, where an empty variable is not set.
    set_ones = {name: value for name, value in env.items() if name.startswith("ECG_") and value}
    return Settings.model_validate({name.removeprefix("ECG_").lower(): value for name, value in set_ones.items()})


async def test_a_missing_permission_is_not_mistaken_for_no_dead_letters(permitted: Permitted) -> None:
    producer = {**os.environ, **permitted.pipeline.env_of(Role.PRODUCER)}
    said = await run(producer, "-m", "ecg_client", "dlq", "list", code=1)
    assert said.endswith("(TopicAuthorizationFailedError)\n")


async def test_the_printed_commands_are_the_granted_permissions(permitted: Permitted) -> None:
    granting = permitted.pipeline.env_of(Role.GATEWAY) | os.environ
    printed = (await run(granting, "-m", "contracts.acls", "--user", "reader=lab")).splitlines()
    assert len(printed) == len(EVERY)
    servers = permitted.pipeline.bootstrap_servers
    assert printed[0] == (
        f"kafka-acls.sh --bootstrap-server {servers} --add --allow-principal User:ecg-gateway --operation Write "
        "--topic permitted.submissions"
    )
    assert "User:lab --operation Read --topic permitted.insights" in "\n".join(printed)
    # Everybody may print the permissions, but not grant them.
    assert "ClusterAuthorizationFailedError" in await run(granting, "-m", "contracts.acls", "--apply", code=1)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_every_mechanism_logs_in(permitted: Permitted, mechanism: str) -> None:
    await start(settings_of({**permitted.pipeline.env, "ECG_KAFKA_SASL_MECHANISM": mechanism}))


async def test_clients_with_wrong_credentials_are_refused(
    permitted: Permitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Brokers that refuse a login look as if they were not there, and would be waited for.
    monkeypatch.setattr(patience, "SECONDS", 3.0)
    env = permitted.pipeline.env
    stranger = Authority.make(tmp_path, "stranger").certificate
    nothing = {name: "" for name in env if name.startswith("ECG_KAFKA_")}
    encrypted = {name: env[name] for name in nothing if not name.endswith(("USERNAME", "PASSWORD"))}
    for wrong in (
        nothing,
        nothing | encrypted | {"ECG_KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"ECG_KAFKA_PASSWORD": "wrong"},
        {"ECG_KAFKA_USERNAME": "nobody"},
        {"ECG_KAFKA_CA_FILE": str(stranger)},
    ):
        with pytest.raises(KafkaConnectionError):
            await start(settings_of(env | wrong))


@pytest.mark.parametrize("program", ["ingest_api", "stream_agents"])
async def test_a_process_with_a_wrong_password_ends_and_says_why_but_not_the_password(
    permitted: Permitted, program: str
) -> None:
    env = {**os.environ, **permitted.pipeline.env, "ECG_LOG_LEVEL": "DEBUG", "ECG_KAFKA_PASSWORD": "a-wrong-password"}
    # Brokers that refuse a login look as if they were not there, and would be waited for.
    impatient = (
        f"from shared.kafka import patience\npatience.SECONDS = 1.0\nfrom {program}.__main__ import main\nmain()\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", impatient], env=env, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode not in {0, None}
    assert "uthentication" in done.stderr, done.stderr
    assert "a-wrong-password" not in done.stderr


@pytest.mark.parametrize(
    ("role", "program", "operation", "told"),
    [
        (Role.GATEWAY, "ingest_api", Operation.DESCRIBE, "is not there, or may not be seen, and cannot be created"),
        (Role.WORKER, "stream_agents", Operation.DESCRIBE_CONFIGS, "describing the configuration of topic"),
    ],
)
async def test_a_process_that_may_not_see_a_topic_ends_and_says_which(
    permitted: Permitted, role: Role, program: str, operation: Operation, told: str
) -> None:
    env = {**os.environ, **permitted.pipeline.env_of(role)}
    acl = next(acl for acl in acls.acls(role, permitted.settings(role)) if acl.operation is operation)

    async def refused() -> str | None:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", program],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stderr if done.returncode == 1 else None

    async def is_refused() -> bool | None:
        try:
            await start(permitted.settings(role))
        except TopicAuthorizationFailedError:
            return True
        return None

    await permitted.change(DeleteAclsRequest, role, acl)
    try:
        await eventually(is_refused, what="a refusal")
        log = await refused()
    finally:
        await permitted.change(CreateAclsRequest, role, acl)
    assert log is not None
    assert "Traceback" not in log
    assert "a permission is missing, see docs/kafka-acls.md" in log
    assert told in log
    assert acl.name in log


async def test_brokers_that_ask_for_a_certificate_get_one(cluster: KafkaCluster) -> None:
    """The listener of the controllers is such a broker."""
    cert, key = security(cluster).authority.issue("client")
    port = cluster._ports[0][1]

    async def ask(**files: str) -> None:
        env = {"ECG_KAFKA_SECURITY_PROTOCOL": "SSL", "ECG_KAFKA_CA_FILE": str(security(cluster).authority.certificate)}
        options = client_options(settings_of({"ECG_SECRET": "x" * 32, **env, **files}))
        del options["metadata_max_age_ms"]
        options.pop("bootstrap_servers")
        connection = await create_conn("127.0.0.1", port, **options)
        try:
            await connection.send(ApiVersionRequest())
        finally:
            connection.close()

    await ask(ECG_KAFKA_CERT_FILE=str(cert), ECG_KAFKA_KEY_FILE=str(key))
    with pytest.raises((KafkaError, OSError)):
        await ask()
