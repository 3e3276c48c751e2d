"""Apache Kafka without Docker: durability of one node, faults of three nodes, and errors of the installation."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from local_stack.kafka import (
    Distribution,
    KafkaCluster,
    KafkaUnavailableError,
    NodeFailedError,
    ToolMissingError,
    install,
)
from local_stack.kafka.cluster import free_ports
from shared.kafka.clients import new_reader
from shared.settings import Settings
from tests.support.conditions import DEADLINE, eventually
from tests.support.lifetime import as_a_child
from tests.support.paths import ROOT

TOPIC = "heartbeats"


async def create_topic(cluster: KafkaCluster, topic: str = TOPIC, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(topic, partitions, len(cluster.nodes))])
        assert [error[1] for error in response.topic_errors] == [0]
    finally:
        await admin.close()
    await cluster.leader(topic)
    await cluster.in_sync()


@asynccontextmanager
async def producing(cluster: KafkaCluster) -> AsyncIterator[Callable[[str], Any]]:
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap_servers,
        enable_idempotence=True,
        # Requests to a frozen leader are sent to its successor only after this timeout; the default is 40 s.
        request_timeout_ms=5000,
    )
    await producer.start()
    try:
        yield lambda value: producer.send_and_wait(TOPIC, value.encode(), partition=0)
    finally:
        await producer.stop()


async def produce(cluster: KafkaCluster, *values: str) -> None:
    async with producing(cluster) as send:
        for value in values:
            await send(value)


async def consume(cluster: KafkaCluster) -> list[str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    values += [record.value.decode() for record in records]
        return values
    finally:
        await consumer.stop()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


@pytest_asyncio.fixture(scope="module")
async def three_nodes(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaCluster]:
    async with KafkaCluster(kafka, tmp_path_factory.mktemp("kafka"), nodes=3) as cluster:
        await create_topic(cluster)
        yield cluster


@pytest_asyncio.fixture
async def healthy(three_nodes: KafkaCluster) -> AsyncIterator[KafkaCluster]:
    """Three nodes in sync; after the test, nodes that it broke are brought back."""
    yield three_nodes
    for node in three_nodes.nodes:
        node.resume()
        if not node.running:
            node.start()
    await three_nodes.in_sync()


@pytest.mark.kafka
class TestOneNode:
    async def test_records_survive_a_restart_and_a_crash(self, kafka: Distribution, tmp_path: Path) -> None:
        async with KafkaCluster(kafka, tmp_path) as cluster:
            [node] = cluster.nodes
            await create_topic(cluster)
            await produce(cluster, "one")
            await node.restart()
            await produce(cluster, "two")
            node.kill()
            await node.restart()
            await produce(cluster, "three")
            assert await consume(cluster) == ["one", "two", "three"]

    async def test_the_same_directory_and_port_make_the_same_cluster(
        self, kafka: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "C")
        ports = free_ports(1)
        directory = tmp_path / "räume mit = und #"
        async with KafkaCluster(kafka, directory, ports=ports) as first:
            await create_topic(first)
            await produce(first, "kept")
        async with KafkaCluster(kafka, directory, ports=ports) as second:
            assert second.bootstrap_servers == first.bootstrap_servers == f"127.0.0.1:{ports[0]}"
            assert await consume(second) == ["kept"]

    async def test_a_node_can_be_run_by_another_supervisor(self, kafka: Distribution, tmp_path: Path) -> None:
        cluster = KafkaCluster(kafka, tmp_path)
        await cluster.prepare()
        process = await asyncio.create_subprocess_exec(
            *cluster.nodes[0].argv, env={**os.environ, **cluster.nodes[0].env}, preexec_fn=as_a_child()
        )
        try:
            await cluster.ready()
            await create_topic(cluster)
            await produce(cluster, "supervised")
            assert await consume(cluster) == ["supervised"]
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), DEADLINE)

    async def test_a_group_may_have_a_session_timeout_of_two_seconds(self, kafka: Distribution, tmp_path: Path) -> None:
        async with KafkaCluster(kafka, tmp_path) as cluster:
            await create_topic(cluster)
            await produce(cluster, "read by a group")
            consumer = AIOKafkaConsumer(
                TOPIC,
                bootstrap_servers=cluster.bootstrap_servers,
                group_id="readers",
                session_timeout_ms=2000,
                heartbeat_interval_ms=500,
                auto_offset_reset="earliest",
            )
            await consumer.start()
            try:
                async with asyncio.timeout(DEADLINE):
                    assert (await consumer.getone()).value == b"read by a group"
            finally:
                await consumer.stop()

    async def test_a_message_of_many_megabytes_fits_into_the_heap(self, kafka: Distribution, tmp_path: Path) -> None:
        size = 17 * 1024 * 1024
        async with KafkaCluster(kafka, tmp_path, settings={"message.max.bytes": size + 1024}) as cluster:
            await create_topic(cluster, partitions=4)
            producers = [
                AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers, max_request_size=size + 1024)
                for _ in range(4)
            ]
            try:
                for producer in producers:
                    await producer.start()
                for _ in range(3):
                    message = os.urandom(size)
                    await asyncio.gather(
                        *(p.send_and_wait(TOPIC, message, partition=i) for i, p in enumerate(producers))
                    )
            finally:
                await asyncio.gather(*(producer.stop() for producer in producers))
            assert cluster.nodes[0].running

    async def test_a_node_that_cannot_start_says_why(self, kafka: Distribution, tmp_path: Path) -> None:
        async with KafkaCluster(kafka, tmp_path / "first") as first:
            second = KafkaCluster(kafka, tmp_path / "second", ports=[first.nodes[0].port])
            with pytest.raises(NodeFailedError, match="Address already in use"):
                await second.start()
            assert not second.nodes[0].running

    async def test_a_second_start_is_an_error_and_leaves_the_cluster_running(
        self, kafka: Distribution, tmp_path: Path
    ) -> None:
        async with KafkaCluster(kafka, tmp_path) as cluster:
            with pytest.raises(RuntimeError, match="run already"):
                await cluster.start()
            await cluster.ready(5)

    async def test_a_setting_that_kafka_refuses_is_named(self, kafka: Distribution, tmp_path: Path) -> None:
        with pytest.raises(NodeFailedError, match=r"num\.partitions"):
            await KafkaCluster(kafka, tmp_path, settings={"num.partitions": "many"}).start()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
    async def test_nodes_die_with_the_process_that_started_them(self, kafka: Distribution, tmp_path: Path) -> None:
        program = (
            "import asyncio, pathlib, sys, time\n"
            "from local_stack.kafka import KafkaCluster, install\n"
            "async def main():\n"
            "    cluster = KafkaCluster(install(), pathlib.Path(sys.argv[1]))\n"
            "    await cluster.prepare()\n"
            "    cluster.nodes[0].start()\n"
            "    print(cluster.nodes[0].pid, flush=True)\n"
            "    await asyncio.sleep(60)\n"
            "asyncio.run(main())\n"
        )
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, str(tmp_path)), cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=as_a_child()
        )
        assert parent.stdout is not None
        try:
            pid = int(await asyncio.wait_for(parent.stdout.readline(), DEADLINE))
            assert not gone(pid)
        finally:
            parent.kill()
            await parent.wait()

        async def died() -> bool | None:
            return gone(pid) or None

        await eventually(died, what="the node's end")

    async def test_a_start_that_is_cancelled_leaves_nothing_behind(self, kafka: Distribution, tmp_path: Path) -> None:
        cluster = KafkaCluster(kafka, tmp_path)
        await cluster.prepare()
        start = asyncio.create_task(cluster.start())

        async def started() -> int | None:
            return cluster.nodes[0].pid

        pid = await eventually(started, interval=0.01)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert gone(pid)


@pytest.mark.kafka
class TestThreeNodes:
    async def test_producing_survives_the_death_of_the_leader_which_comes_back_in_sync(
        self, healthy: KafkaCluster
    ) -> None:
        before = await consume(healthy)
        async with producing(healthy) as send:
            await send("before")
            leader = await healthy.leader(TOPIC)
            leader.kill()
            await send("after")
            assert await healthy.leader(TOPIC) is not leader
        assert (await consume(healthy))[len(before) :] == ["before", "after"]
        leader.start()
        await healthy.in_sync()

    async def test_a_frozen_leader_is_replaced_and_catches_up_once_it_is_thawed(self, healthy: KafkaCluster) -> None:
        before = await consume(healthy)
        async with producing(healthy) as send:
            await send("before")
            leader = await healthy.leader(TOPIC)
            leader.pause()
            await send("meanwhile")
            assert await healthy.leader(TOPIC) is not leader
            leader.resume()
            await healthy.in_sync()
            await send("after")
        assert (await consume(healthy))[len(before) :] == ["before", "meanwhile", "after"]

    async def test_a_single_replica_in_sync_acknowledges_nothing(self, healthy: KafkaCluster) -> None:
        async with producing(healthy) as send:
            await send("on three")
            leader = await healthy.leader(TOPIC)
            followers = [node for node in healthy.nodes if node is not leader]
            for node in followers:
                node.pause()
            sending = asyncio.ensure_future(send("on one"))
            # Longer than it takes until frozen followers are removed from the replicas in sync.
            done, _ = await asyncio.wait([sending], timeout=5)
            assert not done
            followers[0].resume()
            await asyncio.wait_for(sending, DEADLINE)

    async def test_a_group_gets_a_new_coordinator(self, healthy: KafkaCluster) -> None:
        coordinator = await healthy.coordinator("readers")
        coordinator.kill()

        async def moved() -> bool | None:
            return await healthy.coordinator("readers") is not coordinator or None

        await eventually(moved, what="a new coordinator")

    async def test_a_node_that_ended_is_reported_and_not_waited_for(self, healthy: KafkaCluster) -> None:
        healthy.nodes[1].kill()
        with pytest.raises(NodeFailedError, match=r"Kafka node 2 .* ended with code -9"):
            await healthy.ready()

    async def test_a_cluster_killed_as_a_whole_keeps_acknowledged_records(self, healthy: KafkaCluster) -> None:
        await produce(healthy, "acknowledged")
        for node in healthy.nodes:
            node.kill()
        await healthy.start()
        await healthy.in_sync()
        assert (await consume(healthy))[-1] == "acknowledged"

    async def test_all_nodes_stop_without_waiting_for_a_quorum_that_is_gone(self, healthy: KafkaCluster) -> None:
        async with asyncio.timeout(15):
            await healthy.stop()
        assert not any(node.running for node in healthy.nodes)

    async def test_a_reader_finds_the_beginning_of_a_partition_whose_leader_changed(
        self, kafka: Distribution, tmp_path: Path
    ) -> None:
        # The preferred leader is the leader again a second after its return.
        rebalances = {"leader.imbalance.check.interval.seconds": "1"}
        async with KafkaCluster(kafka, tmp_path, nodes=3, settings=rebalances) as cluster:
            await create_topic(cluster)
            preferred = await cluster.leader(TOPIC)
            preferred.kill()

            async def leads(expected: bool) -> bool | None:
                return (await cluster.leader(TOPIC) is preferred) is expected or None

            await eventually(lambda: leads(False), what="another leader")
            settings = Settings(bootstrap_servers=cluster.bootstrap_servers, secret=SecretStr("s" * 32))
            async with new_reader(settings) as reader:
                partition = TopicPartition(TOPIC, 0)
                await reader.end_offsets([partition])
                preferred.start()
                await eventually(lambda: leads(True), what="the preferred leader")
                reader.assign([partition])
                await reader.seek_to_beginning(partition)
                async with asyncio.timeout(DEADLINE):
                    assert await reader.position(partition) == 0


class TestInstall:
    """`install` with shell scripts in place of Java and Maven, so that the tests do not depend on the machine."""

    @pytest.fixture(autouse=True)
    def bare_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = tmp_path / "bin"
        self.bin.mkdir()
        self.home = tmp_path / "home"
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("ECG_KAFKA_HOME", str(self.home))
        monkeypatch.delenv("JAVA_HOME", raising=False)

    def have(self, tool: str, script: str) -> None:
        file = self.bin / tool
        file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        file.chmod(0o755)

    def have_java(self, version: str = "17.0.1") -> None:
        self.have("java", f"echo 'openjdk version \"{version}\" 2024-01-01' >&2")

    def have_maven(self) -> None:
        """Install a Maven that takes a while, records every call, and makes one jar."""
        self.have(
            "mvn",
            "for a; do case $a in -Djars=*) jars=${a#-Djars=};; esac; done\n"
            f'echo call >>"{self.bin}/calls"; sleep 0.3; mkdir -p "$jars"; : >"$jars/kafka.jar"',
        )

    def test_missing_java_is_reported_with_the_version_that_is_needed(self) -> None:
        with pytest.raises(ToolMissingError, match="needs Java 17 or newer; no `java` was found in PATH"):
            install()

    def test_a_java_home_without_java_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(ToolMissingError, match="no `java` was found in JAVA_HOME"):
            install()

    @pytest.mark.parametrize(("version", "shown"), [("11.0.2", "11"), ("1.8.0_392", "8")])
    def test_an_old_java_is_named(self, version: str, shown: str) -> None:
        self.have_java(version)
        with pytest.raises(ToolMissingError, match=f"is Java {shown}"):
            install()

    def test_missing_maven_is_reported_with_its_purpose(self) -> None:
        self.have_java()
        with pytest.raises(ToolMissingError, match="fetched with Maven, once; no `mvn` was found"):
            install()

    def test_a_failing_maven_is_quoted_and_leaves_no_files(self) -> None:
        self.have_java()
        self.have("mvn", "echo 'Could not find artifact'; exit 1")
        with pytest.raises(KafkaUnavailableError, match="Could not find artifact"):
            install()
        assert [file.name for file in self.home.iterdir()] == [".lock"]

    def test_maven_is_needed_only_once(self) -> None:
        self.have_java("25")
        self.have_maven()
        first = install()
        (self.bin / "mvn").unlink()
        assert install() == first
        assert [jar.name for jar in first.jars.iterdir()] == ["kafka.jar"]

    def test_processes_that_install_at_once_share_one_call_of_maven(self) -> None:
        self.have_java()
        self.have_maven()
        program = "from local_stack.kafka import install; print(install().jars)"
        processes = [
            subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        answers = {process.communicate(timeout=DEADLINE)[0] for process in processes}
        assert len(answers) == 1
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert (self.bin / "calls").read_text() == "call\n"


def test_a_cluster_of_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two cannot outvote one"):
        KafkaCluster(Distribution("java", tmp_path), tmp_path, nodes=2)


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(50))) == 50
