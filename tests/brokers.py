"""The brokers that tests run on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from local_stack import broker
from local_stack.broker import free_port
from local_stack.kafka import Distribution, KafkaCluster
from tests.harness import Process


class Broker(Protocol):
    """A broker that a test may pause; `embedded` says that it is the one of the local stack."""

    bootstrap_servers: str
    embedded: bool

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def stop(self) -> None: ...


class EmbeddedBroker:
    """The local stack's broker."""

    embedded = True

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._process = Process("broker", broker.command(port), {}, directory / "broker.log")
        self._process.start()

    def pause(self) -> None:
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    async def stop(self) -> None:
        self._process.stop()


class KafkaBroker:
    """One node of Apache Kafka on this machine."""

    embedded = False

    def __init__(self, cluster: KafkaCluster) -> None:
        self.bootstrap_servers = cluster.bootstrap_servers
        self._cluster = cluster

    def pause(self) -> None:
        for node in self._cluster.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self._cluster.nodes:
            node.resume()

    async def stop(self) -> None:
        await self._cluster.stop()


class DockerBroker:
    """Apache Kafka in a container."""

    embedded = False
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

    async def stop(self) -> None:
        await asyncio.to_thread(self._container.stop)


@dataclass
class ForeignBroker:
    """A broker that was there before the tests and stays."""

    bootstrap_servers: str
    embedded: bool = False

    def pause(self) -> None:
        pytest.skip(f"{self.bootstrap_servers} is not the tests' to pause")

    def resume(self) -> None: ...

    async def stop(self) -> None: ...


StartBroker = Callable[[Path], Awaitable[Broker]]


def starter(kind: str, kafka: Callable[[], Distribution]) -> StartBroker:
    """Return what starts a broker of the kind that `--broker` names."""

    async def start(directory: Path) -> Broker:
        if kind == "embedded":
            return EmbeddedBroker(directory)
        if kind == "docker":
            return await asyncio.to_thread(DockerBroker)
        if kind == "kafka":
            cluster = KafkaCluster(kafka(), directory)
            await cluster.start()
            return KafkaBroker(cluster)
        return ForeignBroker(kind)

    return start
