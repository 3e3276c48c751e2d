"""The compose file, run on this machine without a Docker engine.

Commands, environments, health checks and the order of start are those of the file. The engine is replaced as follows:

- Containers are processes on 127.0.0.1, 127.0.0.2, ... instead of addresses of their own, with free ports.
- Outgoing connections come from 127.0.0.1 unless a process chooses another address: gateways trust it as the proxy's.
- Addresses in the file are translated: the name of a service (`kafka-1:19092`), the container itself (`//:19092`,
  `127.0.0.1:8000`), and a port published on the host (`localhost:9092`). The listening addresses of our services, which
  come from the image or from defaults, are set accordingly.
- Our services run from this repository. Kafka runs from its jars, configured and formatted by the class that its image
  runs first. HAProxy is the one of this machine. All data is in a directory of the test.
- `Names` replaces Docker's DNS for the proxy.

Restarts, limits, volumes and capabilities are not simulated.
"""

import asyncio
import graphlib
import os
import re
import socket
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local_stack.kafka import Distribution, KafkaNode
from local_stack.kafka.cluster import free_ports
from local_stack.lifetime import run
from tests.harness import ROOT, Process, eventually

FILE = ROOT / "docker-compose.yml"
HAPROXY_CFG = ROOT / "local_stack" / "haproxy.cfg"
# Debian installs HAProxy into /usr/sbin, which is not in every user's PATH.
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
# `python` in a command is this interpreter: as in the image, it has our dependencies.
_PATH = f"{Path(sys.executable).parent}:{SYSTEM_PATH}"
_HTTP_PORTS = {"gateway": 8000, "proxy": 8000, "stream-agents": 6066}
_METRICS_PORT = 9100
_UP_TIMEOUT = 120.0
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<text>[^}]*))?\}")
_ENDPOINT = re.compile(r"(?P<host>127\.0\.0\.1|[a-z][a-z0-9-]*|(?<=//)|(?<= ))(?P<separator>[:/])(?P<port>\d{4,5})\b")

Service = dict[str, Any]


def interpolate(value: Any, env: dict[str, str]) -> Any:
    """Replace `${NAME}`, `${NAME:-default}` and `${NAME:?message}` in all strings of a value, as Compose does.

    Raises:
        LookupError: with the message, if the variable is missing or empty.
    """

    def replace(match: re.Match[str]) -> str:
        found = env.get(match["name"], "")
        if not found and match["operator"] == "?":
            raise LookupError(match["text"])
        return found or match["text"] or ""

    if isinstance(value, str):
        return _VARIABLE.sub(replace, value)
    if isinstance(value, dict):
        return {name: interpolate(inner, env) for name, inner in value.items()}
    return [interpolate(inner, env) for inner in value] if isinstance(value, list) else value


def load(env: dict[str, str]) -> dict[str, Any]:
    """Load the file with the variables of an environment."""
    document: dict[str, Any] = interpolate(yaml.safe_load(FILE.read_text()), env)
    return document


def environment(service: Service) -> dict[str, str]:
    """Return the environment variables of a service as strings."""
    return {name: str(value) for name, value in service.get("environment", {}).items()}


@dataclass
class Names(asyncio.DatagramProtocol):
    """A DNS server like Docker's: the name of a service resolves to the addresses of all its containers."""

    addresses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    port: int = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, client: tuple[str | Any, int]) -> None:
        # A header of 12 bytes; the name as labels that begin with their length; a zero; type and class, two bytes each.
        end = data.index(0, 12) + 5
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        known = self.addresses.get(".".join(labels), [])
        asks_for_ipv4 = data[end - 4 : end - 2] == b"\0\1"
        answers = [b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(a) for a in known if asks_for_ipv4]
        flags = b"\x81\x80" if known else b"\x81\x83"  # success, or "no such name" (NXDOMAIN)
        counts = b"\0\1" + len(answers).to_bytes(2) + bytes(4)
        self._transport.sendto(data[:2] + flags + counts + data[12:end] + b"".join(answers), client)

    def close(self) -> None:
        self._transport.close()


@dataclass
class Container:
    """A process that replaces a container."""

    service: str
    address: str
    url: str
    process: Process | KafkaNode

    @property
    def exit_code(self) -> int | None:
        if isinstance(self.process, KafkaNode):
            return None if self.process.running else -1
        return self.process.running.poll()

    @property
    def log(self) -> str:
        return self.process.log_tail() if isinstance(self.process, KafkaNode) else self.process.tail(1000)

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        """Stop the process; a Kafka node is killed, because the last nodes could not shut down without a quorum."""
        if isinstance(self.process, KafkaNode):
            self.process.kill()
        elif self.exit_code is None:
            self.process.stop()


class ComposeCluster:
    """The services of the file as processes of this machine.

    Args:
        kafka: Kafka's jars.
        directory: for data, configurations and logs.
        env: the values for the variables in the file.
        scale: the number of containers of each service that has not just one.
    """

    def __init__(self, kafka: Distribution, directory: Path, env: dict[str, str], scale: dict[str, int]) -> None:
        self.services: dict[str, Service] = load(env)["services"]
        self.containers: list[Container] = []
        self.names = Names()
        self._kafka = kafka
        self._directory = directory
        self._scale = scale
        self._ports: dict[tuple[str, int], int] = {}
        self._up: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def start(self, *services: str) -> None:
        """Start services, each as soon as its dependencies are up, and wait until all are up."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self.names, ("127.0.0.1", 0))
        # Raises an error for a cycle, which would wait for ever.
        graphlib.TopologicalSorter({name: self.services[name].get("depends_on", {}) for name in services}).prepare()
        async with asyncio.TaskGroup() as group:
            for name in services:
                group.create_task(self.start_service(name))

    async def start_service(self, name: str) -> None:
        """Start a service when its dependencies are up, and wait until it is up itself."""
        for other in self.services[name].get("depends_on", {}):
            await self._up[other].wait()
        for _ in range(self._scale.get(name, 1)):
            self.add(name)
        for container in self.of(name):
            await self.up(container)
        self._up[name].set()

    def add(self, name: str) -> Container:
        """Start one more container of a service."""
        number = len(self.of(name)) + 1
        address = f"127.0.0.{number}"
        directory = self._directory / f"{name}-{number}"
        directory.mkdir()
        image = self.services[name]["image"].partition(":")[0]
        starters: dict[str, Callable[[str, str, Path], Process | KafkaNode]] = {
            "apache/kafka": self._start_kafka,
            "haproxy": self._start_haproxy,
        }
        process = starters.get(image, self._start_ours)(name, address, directory)
        url = f"http://{address}:{self.port(name, _HTTP_PORTS[name])}" if name in _HTTP_PORTS else ""
        self.containers.append(Container(name, address, url, process))
        self.names.addresses[name].append(address)
        return self.containers[-1]

    def of(self, name: str) -> list[Container]:
        """Return the containers of a service."""
        return [container for container in self.containers if container.service == name]

    async def up(self, container: Container) -> None:
        """Wait until the container's health check succeeds, or until it has ended with 0 if it has no check."""
        once = "healthcheck" not in self.services[container.service]

        async def probe() -> bool | None:
            code = container.exit_code
            assert code is None or (once and code == 0), f"{container.service} ended with {code}:\n{container.log}"
            return (code == 0 if once else await self.is_healthy(container)) or None

        await eventually(probe, _UP_TIMEOUT, 0.5, f"{container.service} coming up")

    async def is_healthy(self, container: Container) -> bool:
        """Run a container's health check once, and return whether it succeeds."""
        check = self.services[container.service]["healthcheck"]
        kind, *command = [self.here(part, container.service, container.address) for part in check["test"]]
        assert kind == "CMD"
        code, _ = await asyncio.to_thread(run, command, {"PATH": _PATH}, float(check["timeout"].removesuffix("s")))
        return code == 0

    def here(self, text: str, service: str, address: str) -> str:
        """Translate the addresses in a container's text to those on this machine."""

        def replace(match: re.Match[str]) -> str:
            host, port = match["host"], int(match["port"])
            if host in ("", "127.0.0.1"):
                return f"{address}{match['separator']}{self.port(service, port)}"
            if host == "localhost":
                return f"127.0.0.1:{self.published(port)}"
            if host not in self.services:
                return match[0]
            # The name of several containers is left to the DNS server.
            return f"{host if self._scale.get(host, 1) > 1 else '127.0.0.1'}:{self.port(host, port)}"

        return _ENDPOINT.sub(replace, text)

    def port(self, service: str, port: int) -> int:
        """Return the port on this machine that replaces a port of a service's containers."""
        if (service, port) not in self._ports:
            [self._ports[service, port]] = free_ports(1, taken=self._ports.values())
        return self._ports[service, port]

    def published(self, port: int) -> int:
        """Return the port on this machine that replaces a port published on the host."""
        [(name, inside)] = [
            (name, int(published.rpartition(":")[2]))
            for name, service in self.services.items()
            for published in service.get("ports", [])
            if published.startswith(f"127.0.0.1:{port}:")
        ]
        return self.port(name, inside)

    async def stop(self) -> None:
        """Stop all processes in the reverse order of their start."""
        self.names.close()
        with ExitStack() as stopping:
            for container in self.containers:
                stopping.callback(container.stop)
            await asyncio.to_thread(stopping.close)

    def _environment(self, name: str, address: str) -> dict[str, str]:
        return {key: self.here(value, name, address) for key, value in environment(self.services[name]).items()}

    def _start_ours(self, name: str, address: str, directory: Path) -> Process:
        listening = {
            "ECG_HTTP_HOST": address,
            "ECG_HTTP_PORT": str(self.port("gateway", _HTTP_PORTS["gateway"])),
            "ECG_WORKER_HOST": address,
            "ECG_WORKER_PORT": str(self.port("stream-agents", _HTTP_PORTS["stream-agents"])),
            "ECG_METRICS_HOST": address,
            "ECG_METRICS_PORT": str(self.port(name, _METRICS_PORT)),
            "ECG_DATA_DIR": str(directory / "data"),
            "ECG_TRUSTED_PROXIES": "127.0.0.1",
        }
        env = {**self._environment(name, address), **listening, "PATH": _PATH}
        return self._started(Process(directory.name, self.services[name]["command"], env, directory / "log"))

    def _start_haproxy(self, name: str, address: str, directory: Path) -> Process:
        config = directory / "haproxy.cfg"
        config.write_text(
            self.here(HAPROXY_CFG.read_text(), name, address).replace("127.0.0.11:53", f"127.0.0.1:{self.names.port}")
        )
        # The arguments with which the image's entry point starts HAProxy.
        argv = ["haproxy", "-W", "-db", "-f", str(config)]
        return self._started(Process(directory.name, argv, {"PATH": _PATH}, directory / "log"))

    def _start_kafka(self, name: str, address: str, directory: Path) -> KafkaNode:
        env = self._environment(name, address)
        heap = re.search(r"-Xmx(\d+)m", env["KAFKA_HEAP_OPTS"])
        internal = re.search(r"INTERNAL://[^,:]+:(\d+)", env["KAFKA_ADVERTISED_LISTENERS"])
        assert heap
        assert internal
        node = KafkaNode(self._kafka, int(env["KAFKA_NODE_ID"]), int(internal[1]), directory, int(heap[1]))
        folders = {kind: directory / kind for kind in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir()
        arguments = [f"--{kind}-configs-dir={folder}" for kind, folder in folders.items()]
        command = self._kafka.command("kafka.docker.KafkaDockerWrapper", "setup", *arguments)
        code, answer = run(command, {**env, "KAFKA_LOG_DIRS": str(node.data)}, 60)
        assert code == 0, answer
        # The setup has formatted the data for this cluster: `prepare` only writes the properties to the node's file.
        assert node.formatted_for() == env["CLUSTER_ID"], answer
        node.prepare((folders["final"] / "server.properties").read_text(), env["CLUSTER_ID"])
        node.start()
        return node

    @staticmethod
    def _started(process: Process) -> Process:
        process.start()
        return process
