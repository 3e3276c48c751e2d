"""A Kafka cluster of one or three nodes in a directory."""

import asyncio
import base64
import contextlib
import random
import socket
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.errors import KafkaError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

from local_stack.kafka.configuration import server_properties
from local_stack.kafka.distribution import Distribution
from local_stack.kafka.node import START_TIMEOUT, STOP_TIMEOUT, KafkaNode, until
from local_stack.kafka.security import Security

# Below the ephemeral ports: while a node with one of those is down, a client's next connection may take its port, or
# even connect to itself.
_PORTS = range(20_000, 32_000)
_LAST_NODE_GRACE = 1.0


class KafkaCluster:
    """Nodes on 127.0.0.1 whose data stays in a directory: with the same directory and ports it is the same cluster.

    As a context manager, it is ready when the block begins and has stopped when the block is left.

    Args:
        distribution: the result of `install`.
        directory: holds the data, the configuration and the logs; made if it is missing.
        nodes: 1, or 3 for three replicas of every partition, with two in sync before a record is acknowledged.
        ports: the ports for clients, one for each node; free ones by default.
        heap_mb: the heap of each node in MiB.
        settings: Kafka settings that override those of `configuration.py`.
        security: authentication and authorization; by default there is none.
    """

    def __init__(
        self,
        distribution: Distribution,
        directory: Path,
        *,
        nodes: int = 1,
        ports: Sequence[int] | None = None,
        heap_mb: int = 256,
        settings: Mapping[str, str | int] | None = None,
        security: Security | None = None,
    ) -> None:
        if nodes not in (1, 3):
            raise ValueError("A cluster has 1 or 3 nodes: two cannot outvote one.")
        if ports is not None and len(ports) != nodes:
            raise ValueError(f"{nodes} nodes need as many ports, not {len(ports)}.")
        self.security = security
        self._settings = dict(settings or {})
        free = free_ports(nodes if ports is not None else 2 * nodes, taken=ports or ())
        self._ports = list(zip(ports if ports is not None else free[nodes:], free[:nodes], strict=True))
        self.nodes = [
            KafkaNode(distribution, node_id, port, directory.absolute() / f"node-{node_id}", heap_mb, security)
            for node_id, (port, _) in enumerate(self._ports, start=1)
        ]

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of the nodes, for clients."""
        return ",".join(node.bootstrap_server for node in self.nodes)

    async def prepare(self) -> None:
        """Write the configuration and format the data directories that are not formatted, so that `argv` can be run.

        Raises:
            NodeFailedError: if a node cannot be formatted.
        """
        cluster_id = self._cluster_id()
        # In parallel: each formatting is a Java process of its own.
        await asyncio.gather(*(asyncio.to_thread(self._prepare, node, cluster_id) for node in self.nodes))

    async def start(self, timeout: float = START_TIMEOUT) -> None:
        """Prepare and start all nodes, and wait until all serve; if that fails, all are killed.

        Raises:
            RuntimeError: if a node already runs, which is left running.
            NodeFailedError: if a node ended.
            TimeoutError: if not all serve within the timeout (seconds).
        """
        if running := [str(node) for node in self.nodes if node.running]:
            raise RuntimeError(f"These run already: {', '.join(running)}")
        await self.prepare()
        try:
            for node in self.nodes:
                node.start()
            await self.ready(timeout)
        except BaseException:
            for node in self.nodes:
                node.kill()
            raise

    async def ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until every node serves and knows all the others.

        Raises:
            NodeFailedError: if a node ended.
            TimeoutError: if it takes longer than the timeout (seconds).
        """
        await until(self.nodes, lambda: self._each(self._knows_all), timeout, "Not all Kafka nodes serve")

    async def in_sync(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until every node serves and sees every replica of every partition in sync.

        Raises:
            NodeFailedError: if a node ended.
            TimeoutError: if it takes longer than the timeout (seconds).
        """
        await until(self.nodes, lambda: self._each(self._sees_in_sync), timeout, "Not all copies are in sync")

    async def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Shut all nodes down; kill those that still run after the timeout."""
        pending = {asyncio.create_task(node.stop(timeout)) for node in self.nodes}
        try:
            while len(pending) > len(self.nodes) // 2:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            # The remaining controllers are no majority, so that a node that waits for a controlled shutdown waits in
            # vain. Killing it loses nothing: it recovers its data when it starts.
            if pending:
                await asyncio.wait(pending, timeout=_LAST_NODE_GRACE)
        finally:
            for node in self.nodes:
                node.kill()
            await asyncio.gather(*pending)

    async def leader(self, topic: str, partition: int = 0, timeout: float = START_TIMEOUT) -> KafkaNode:
        """Return the leader of a partition, according to the first node that names one.

        Raises:
            TimeoutError: if no node names one within the timeout (seconds).
        """

        async def find(node: KafkaNode) -> int:
            [found] = (await node.ask(MetadataRequest([topic])))["topics"]
            return next((p["leader"] for p in found["partitions"] if p["partition"] == partition), -1)

        return await self._found(find, timeout, f"No node knows a leader of partition {partition} of {topic}")

    async def coordinator(self, group: str, timeout: float = START_TIMEOUT) -> KafkaNode:
        """Return the coordinator of a consumer group, according to the first node that names one.

        Raises:
            TimeoutError: if no node names one within the timeout (seconds).
        """

        async def find(node: KafkaNode) -> int:
            node_id: int = (await node.ask(FindCoordinatorRequest(group, 0)))["coordinator_id"]
            return node_id

        return await self._found(find, timeout, f"No node knows a coordinator of group {group}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _prepare(self, node: KafkaNode, cluster_id: str) -> None:
        properties = server_properties(node.node_id, self._ports, node.data, self._settings, self.security)
        node.prepare(properties, cluster_id)

    def _cluster_id(self) -> str:
        # A crash may have left only some nodes formatted: the others get the same id.
        formatted = (node.formatted_for() for node in self.nodes)
        return next(filter(None, formatted), base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode())

    async def _each(self, holds: Callable[[KafkaNode], Awaitable[bool]]) -> bool:
        return all([await holds(node) for node in self.nodes])

    async def _knows_all(self, node: KafkaNode) -> bool:
        return await node.known_brokers() == {other.node_id for other in self.nodes}

    async def _sees_in_sync(self, node: KafkaNode) -> bool:
        topics = (await node.ask(MetadataRequest(None)))["topics"]
        return await self._knows_all(node) and all(
            partition["leader"] >= 0 and set(partition["isr"]) == set(partition["replicas"])
            for topic in topics
            for partition in topic["partitions"]
        )

    async def _found(self, find: Callable[[KafkaNode], Awaitable[int]], timeout: float, not_yet: str) -> KafkaNode:
        found: list[int] = []

        async def known() -> bool:
            for node in self.nodes:
                with contextlib.suppress(OSError, KafkaError):
                    node_id = await find(node)
                    # Kafka answers -1 while there is none.
                    if node_id > 0:
                        found.append(node_id)
                        return True
            return False

        await until([], known, timeout, not_yet)
        return self.nodes[found[0] - 1]


def free_ports(count: int, taken: Collection[int] = ()) -> list[int]:
    """Return ports of 127.0.0.1 on which nothing listens, other than those in `taken`, which are reserved.

    Raises:
        OSError: if there are not enough.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_PORTS, len(_PORTS)):
            if port in taken:
                continue
            probe = held.enter_context(socket.socket())
            # As Java does, so that a port whose last connection has just ended counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"Fewer than {count} ports are free between {_PORTS.start} and {_PORTS.stop}.")
