"""The brokers on which the tests run."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from tenacity import retry, stop_after_delay, wait_fixed

from contracts import acls
from local_stack import broker
from local_stack.broker import free_port
from local_stack.kafka import Distribution, KafkaCluster, Security
from local_stack.kafka.configuration import properties
from tests.support.conditions import eventually
from tests.support.process import Process

# If set, every Apache Kafka that the tests start uses TLS, passwords, and the permissions of `contracts.acls`.
SECURE = bool(os.environ.get("ECG_TEST_SECURE"))


def security(directory: Path) -> Security | None:
    """Return the certificates and users of a cluster, or None unless `ECG_TEST_SECURE` is set."""
    return Security.make(directory, acls.users().values()) if SECURE else None


class Broker(Protocol):
    """A broker that a test may pause or kill; `embedded` is True for the local stack's embedded broker."""

    bootstrap_servers: str
    embedded: bool
    security: Security | None

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def kill(self) -> None: ...

    async def stop(self) -> None: ...


class EmbeddedBroker:
    """The local stack's embedded broker."""

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
    """Apache Kafka in a container, configured as its image documents: with a variable for each of Kafka's settings."""

    embedded = False
    security: Security | None = None
    image = "apache/kafka:4.4.0"

    def __init__(self) -> None:
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - looks for a Docker engine

        testcontainers_config.ryuk_disabled = True
        port, inside, controller, between = free_port(), 9092, 9093, 9094
        self._container = DockerContainer(self.image).with_bind_ports(inside, port)
        # The broker cannot find out the address at which clients reach it: it is advertised to them below.
        self.bootstrap_servers = f"{self._container.get_docker_client().host()}:{port}"
        # A broker also connects to itself, as for a transaction: inside, where the clients' address leads nowhere.
        itself = f"BETWEEN://127.0.0.1:{between}"
        settings = properties(1, [(inside, controller)], Path("/var/lib/kafka/data")) | {
            "listeners": f"PLAINTEXT://:{inside},{itself},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers},{itself}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BETWEEN:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BETWEEN",
        }
        # Required: the image's default is set by its own scripts, which are not used here.
        self._container.with_env("CLUSTER_ID", "kz_AzSJDNxm3x532qvNe6A")
        for name, value in settings.items():
            self._container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", str(value))

    async def start(self) -> None:
        """Start the container, and wait until the broker answers."""
        await asyncio.to_thread(self._container.start)
        self._end = at_our_end(_REMOVE, self._container.get_container_id())
        await eventually(self._answers, interval=0.2, what=f"{self.image} answering")

    async def _answers(self) -> bool | None:
        container = self._container.get_wrapped_container()
        container.reload()
        assert container.status != "exited", container.logs(tail=20).decode()
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await client.bootstrap()
        except KafkaError:
            return None
        finally:
            await client.close()
        return True

    # The engine gives up too early on a container that is busy.
    @retry(stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)
    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    async def stop(self) -> None:
        await asyncio.to_thread(self._end.communicate)


# Instead of testcontainers' reaper, which would be one more image.
_REMOVE = "import docker; docker.from_env().containers.get(sys.argv[1]).remove(force=True, v=True)"


def at_our_end(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Run a Python program when this process ends, in whatever way, or when the returned process's input is closed."""
    argv = [sys.executable, "-c", f"import sys\nsys.stdin.read()\n{program}", *arguments]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)


@dataclass
class ForeignBroker:
    """A broker that the tests did not start, and do not stop."""

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
    """Return a function that starts a broker of the kind that `--broker` names."""
    if SECURE and kind != "kafka":
        raise pytest.UsageError(f"only the Apache Kafka that the tests start can be secured, not {kind}")

    async def start(directory: Path) -> Broker:
        if kind == "embedded":
            return EmbeddedBroker(directory)
        if kind == "docker":
            container = DockerBroker()
            await container.start()
            return container
        if kind == "kafka":
            cluster = KafkaCluster(kafka(), directory, security=security(directory / "security"))
            await cluster.start()
            return KafkaBroker(cluster)
        return ForeignBroker(kind)

    return start
