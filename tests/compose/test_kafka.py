"""The three nodes of Kafka: their settings, the topics, and what is outside the cluster's network."""

import json
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.kafka.topics import Topics
from shared.settings import Settings
from tests.compose.cluster import KAFKA, Cluster
from tests.support.conditions import eventually
from tests.support.ecgs import crossings, insights

pytestmark = pytest.mark.docker

# Not settings of Kafka's: one is Java's, the other the cluster's.
_OTHERS = {"KAFKA_HEAP_OPTS", "CLUSTER_ID"}


@pytest_asyncio.fixture
async def admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


async def environment(cluster: Cluster, service: str) -> dict[str, str]:
    """Return the variables of a service as Compose reads the file; those that are not set are None."""
    services = json.loads(await cluster.compose("config", "--format", "json"))["services"]
    return dict(services[service]["environment"])


async def in_effect(admin: AIOKafkaAdminClient, kind: ConfigResourceType, name: str) -> dict[str, str]:
    [answer] = await admin.describe_configs([ConfigResource(kind, name)])
    [resource] = answer.resources
    return {entry[0]: entry[1] for entry in resource[4]}


@pytest.mark.parametrize("service", KAFKA)
async def test_every_setting_is_in_effect(cluster: Cluster, admin: AIOKafkaAdminClient, service: str) -> None:
    written = await environment(cluster, service)
    found = await in_effect(admin, ConfigResourceType.BROKER, written["KAFKA_NODE_ID"])
    for variable in written.keys() - _OTHERS:
        setting = variable.removeprefix("KAFKA_").lower().replace("_", ".")
        assert (setting, found[setting]) == (setting, written[variable])


async def test_topics_are_replicated_as_the_pipeline_wants_them(cluster: Cluster, admin: AIOKafkaAdminClient) -> None:
    variables = (await environment(cluster, "topics")).items()
    # Those that are null are not set in the container.
    values = {
        name.removeprefix("ECG_").lower(): value for name, value in variables if name.startswith("ECG_") and value
    }
    wanted = {topic.name: topic for topic in Topics(Settings.model_validate(values))}
    described = await admin.describe_topics(list(wanted))
    assert {topic["topic"] for topic in described} == wanted.keys()
    for topic in described:
        assert len(topic["partitions"]) == wanted[topic["topic"]].partitions
        assert {len(partition["replicas"]) for partition in topic["partitions"]} == {3}
        found = await in_effect(admin, ConfigResourceType.TOPIC, topic["topic"])
        config = {"min.insync.replicas": "2", **wanted[topic["topic"]].config}
        assert {name: found[name] for name in config} == config


async def test_a_client_of_this_machine_produces_on_the_published_ports(cluster: Cluster) -> None:
    token = await cluster.pipeline().register("device")
    signals = {f"from-outside-{uuid.uuid4()}": [1, -1] * (1 + number) for number in range(24)}
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers) as producer:
        for ecg_id, signal in signals.items():
            ecg = {"id": ecg_id, "username": "device", "leads": [{"name": "I", "signal": signal}]}
            await producer.send_and_wait("ecg.submissions", json.dumps(ecg).encode(), ecg_id.encode())
    async with cluster.pipeline().client(token=token) as client:
        for ecg_id, signal in signals.items():

            async def found(ecg_id: str = ecg_id) -> int | None:
                answer = await client.get(f"/ecgs/{ecg_id}/insights")
                return answer.json()["leads"][0]["number_of_zero_crossings"] if answer.status_code == 200 else None

            assert await eventually(found, what=f"insights of {ecg_id}") == crossings(signal)


async def test_a_gateway_tells_of_every_copy_that_is_not_in_sync(whole: Cluster) -> None:
    [gateway, *_] = whole.containers("gateway")

    async def in_sync(copies: float) -> bool | None:
        found = gateway.metrics().by("topic", "ecg_topic_in_sync_replicas")
        return set(found.values()) == {copies} or None

    await eventually(lambda: in_sync(3), interval=1, what="three copies of everything")
    await whole.compose("stop", "kafka-3")
    await eventually(lambda: in_sync(2), interval=1, what="a copy less")
    await whole.compose("start", "kafka-3")
    await eventually(lambda: in_sync(3), interval=1, what="the copies in sync again")


async def test_what_one_gateway_accepts_another_one_answers(cluster: Cluster) -> None:
    """The proxy gives each new connection to the gateway with the fewest."""
    pipeline = cluster.pipeline()
    token = await pipeline.register("both")
    async with pipeline.client(token=token) as one, pipeline.client(token=token) as other:
        for _ in range(12):
            answer = await one.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})
            assert answer.status_code == 201, answer.text
            [lead] = await insights(other, answer.json()["id"])
            assert lead["number_of_zero_crossings"] == 1
