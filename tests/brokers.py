"""The brokers that tests run on."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from local_stack import broker
from local_stack.broker import free_port
from local_stack.kafka import Distribution, KafkaCluster, Security
from shared import acls
from tests.harness import Process

# Every Apache Kafka that the tests start encrypts, knows its users, and permits them what `shared.acls` says.
SECURE = bool(os.environ.get("ECG_TEST_SECURE"))


def security(directory: Path) -> Security | None:
    """Return what a cluster is secured with, if this is to be."""
    return Security.make(directory, acls.users().values()) if SECURE else None


class Broker(Protocol):
    """A broker that a test may pause or kill; `embedded` says that it is the one of the local stack."""

    bootstrap_servers: str
    embedded: bool
    security: Security | None

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def kill(self) -> None: ...

    async def stop(self) -> None: ...


class EmbeddedBroker:
    """The local stack's broker."""

    embedded = True
    security: Security | None = None

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._process = Process("broker", broker.command(port), {}, directory / "broker.log")
        self._process.start()

    def pause(self) -> None:
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def kill(self) -> None:
        self._process.kill()

    async def stop(self) -> None:
        self._process.stop()


class KafkaBroker:
    """One node of Apache Kafka on this machine."""

    embedded = False

    def __init__(self, cluster: KafkaCluster) -> None:
        self.bootstrap_servers = cluster.bootstrap_servers
        self.security = cluster.security
        self._cluster = cluster

    def pause(self) -> None:
        for node in self._cluster.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self._cluster.nodes:
            node.resume()

    def kill(self) -> None:
        for node in self._cluster.nodes:
            node.kill()

    async def stop(self) -> None:
        await self._cluster.stop()


class DockerBroker:
    """Apache Kafka in a container."""

    embedded = False
    security: Security | None = None
    image = "apache/kafka:4.4.0"

    def __init__(self) -> None:
        from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - looks for a Docker engine

        self._container = KafkaContainer(self.image).with_kraft()
        self._container.start()
        self.bootstrap_servers = str(self._container.get_bootstrap_server())

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    async def stop(self) -> None:
        await asyncio.to_thread(self._container.stop)


@dataclass
class ForeignBroker:
    """A broker that was there before the tests and stays."""

    bootstrap_servers: str
    embedded: bool = False
    security: Security | None = None

    def pause(self) -> None:
        pytest.skip(f"{self.bootstrap_servers} is not the tests' to pause")

    def resume(self) -> None: ...

    def kill(self) -> None:
        pytest.skip(f"{self.bootstrap_servers} is not the tests' to kill")

    async def stop(self) -> None: ...


StartBroker = Callable[[Path], Awaitable[Broker]]


def starter(kind: str, kafka: Callable[[], Distribution]) -> StartBroker:
    """Return what starts a broker of the kind that `--broker` names."""
    if SECURE and kind != "kafka":
        raise pytest.UsageError(f"only the Apache Kafka that the tests start can be secured, not {kind}")

    async def start(directory: Path) -> Broker:
        if kind == "embedded":
            return EmbeddedBroker(directory)
        if kind == "docker":
            return await asyncio.to_thread(DockerBroker)
        if kind == "kafka":
            cluster = KafkaCluster(kafka(), directory, security=security(directory / "security"))
            await cluster.start()
            return KafkaBroker(cluster)
        return ForeignBroker(kind)

    return start
