"""One Kafka node: a Java process that is broker and controller in one."""

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request
from aiokafka.protocol.metadata import MetadataRequest

from local_stack.freezing import freeze
from local_stack.kafka.distribution import JAVA_ENV, Distribution
from local_stack.kafka.security import Security
from local_stack.lifetime import dies_with_parent, run

START_TIMEOUT = 60.0
"""Seconds after which a node that does not answer counts as failed. A start takes about two seconds on an idle machine,
and many times that on a laptop that compiles something else at the same time."""

STOP_TIMEOUT = 20.0
"""Seconds for an orderly shutdown before the node is killed. Kafka itself would wait minutes for a quorum that is gone.
No acknowledged record is lost either way: a killed node only reads its last segments again when it starts."""

_LOG4J = Path(__file__).with_name("log4j2.xml")
_FORMAT_TIMEOUT = 60.0
# Short, because the port accepts connections before the broker answers on them: give up and ask again.
_REQUEST_TIMEOUT_MS = 1000
_POLL = 0.05
_SHOWN = 4000


class NodeFailedError(RuntimeError):
    """A node could not be formatted, or ended by itself; the message includes the end of its log."""


@dataclass(slots=True, eq=False)
class KafkaNode:
    """A node, made by `KafkaCluster`.

    Call `start` in a thread that outlives the node: on Linux the node dies with that thread.
    """

    distribution: Distribution
    node_id: int
    port: int
    directory: Path
    heap_mb: int
    security: Security | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _cluster_id: str | None = field(default=None, init=False)

    @property
    def bootstrap_server(self) -> str:
        """The address of this node, for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def argv(self) -> list[str]:
        """The command of the prepared node, for callers that run the process themselves."""
        return self.distribution.command(
            "kafka.Kafka",
            str(self._properties),
            options=(
                f"-Xms{self.heap_mb // 4}m",
                f"-Xmx{self.heap_mb}m",
                # Without a limit, every thread keeps a buffer outside the heap as large as its largest message so far.
                f"-Djdk.nio.maxCachedBufferSize={1024 * 1024}",
                # The full compiler uses the processor's AES instructions: without them TLS would be the bottleneck.
                *(("-XX:TieredStopAtLevel=4",) if self.security else ()),
                # A broker that runs on without one of its threads is worse than one that ends.
                "-XX:+ExitOnOutOfMemoryError",
                f"-XX:ErrorFile={self.directory / 'crash-%p.log'}",
                f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}",
                f"-Decg.kafka.log={self.directory / 'server.log'}",
            ),
        )

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables that the command needs, on top of those of this process."""
        return JAVA_ENV

    @property
    def running(self) -> bool:
        """True if the process that `start` made exists, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, or None if it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    def prepare(self, properties: str, cluster_id: str) -> None:
        """Write the configuration, and format the data directory if it is not formatted; existing data is kept.

        Raises:
            NodeFailedError: if Kafka's storage tool fails.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(properties)
        self._cluster_id = cluster_id
        if self.formatted_for() is not None:
            return
        # One argument with "=", because an id may begin with a dash.
        users = self.security.scram() if self.security else ()
        arguments = ("format", f"--cluster-id={cluster_id}", f"--config={self._properties}", *users)
        code, answer = run(self.distribution.command("kafka.tools.StorageTool", *arguments), self.env, _FORMAT_TIMEOUT)
        if code:
            raise NodeFailedError(f"{self} could not be formatted:\n{answer[-_SHOWN:]}")

    def formatted_for(self) -> str | None:
        """Return the id of the cluster for which the data directory was formatted, or None if it was not."""
        # The storage tool writes this file last, and atomically.
        meta = self.data / "meta.properties"
        lines = meta.read_text().splitlines() if meta.exists() else []
        return next((line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id=")), None)

    def start(self) -> None:
        """Start the process of the prepared node; `ready` waits until it serves."""
        if self.running:
            raise RuntimeError(f"{self} runs already")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own Java
                self.argv,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal must not reach the node: the process that started it stops it.
                start_new_session=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509 - it takes no lock that another thread could hold
            )
        # Where the kernel cannot kill it with its parent, at least the interpreter's exit does.
        atexit.register(self.kill)

    async def ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until the node serves clients as a member of the cluster.

        Raises:
            NodeFailedError: if the process ended.
            TimeoutError: if it does not serve within the timeout (seconds).
        """
        await until([self], self._serves, timeout, f"{self} does not serve")

    async def exited(self) -> int:
        """Wait until the process that `start` made ends, and return its exit code."""
        assert self._process is not None  # noqa: S101 - start comes first
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - waiting in a thread could not be cancelled
            await asyncio.sleep(_POLL)
        return code

    async def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Shut the node down, thawing it if it is frozen; kill it after the timeout."""
        if self._process is None:
            return
        try:
            self._signal(signal.SIGTERM)
            self.resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process, as in a crash, and wait until it has ended."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        atexit.unregister(self.kill)

    def pause(self) -> None:
        """Freeze the process: its connections stay open and nothing answers, as in a long pause or network loss."""
        if self._process is not None and self._process.poll() is None:
            freeze(self._process.pid)

    def resume(self) -> None:
        """Thaw a frozen process."""
        self._signal(signal.SIGCONT)

    async def restart(self, timeout: float = START_TIMEOUT) -> None:
        """Shut the node down if it runs, start it on the same port and data, and wait until it serves."""
        await self.stop()
        self.start()
        await self.ready(timeout)

    def check(self) -> None:
        """Raise an error if the process that `start` made has ended.

        Raises:
            NodeFailedError: with the end of its log.
        """
        if self._process is not None and not self.running:
            raise NodeFailedError(f"{self} ended with code {self._process.returncode}:\n{self.log_tail()}")

    async def ask(self, request: Request[Any]) -> dict[str, Any]:
        """Send one request to this node and return the fields of its answer.

        Raises:
            OSError, KafkaError: if it does not answer within a second.
        """
        options = self.security.connection() if self.security else {}
        connection = await create_conn("127.0.0.1", self.port, request_timeout_ms=_REQUEST_TIMEOUT_MS, **options)
        try:
            answer: dict[str, Any] = (await connection.send(request)).to_object()
            return answer
        finally:
            connection.close()

    async def known_brokers(self) -> set[int]:
        """Ask the node for the ids of the brokers that serve; empty while another cluster's broker has its port.

        Raises:
            OSError, KafkaError: if nothing answers within a second.
        """
        answer = await self.ask(MetadataRequest([]))
        if answer["cluster_id"] != self._cluster_id:
            return set()
        return {broker["node_id"] for broker in answer["brokers"]}

    def log_tail(self) -> str:
        """Return the end of Kafka's log and of Java's own output."""
        texts = [path.read_bytes()[-_SHOWN:].decode(errors="replace") for path in self._logs if path.exists()]
        return "\n".join(texts).strip()

    def __str__(self) -> str:
        return f"Kafka node {self.node_id} ({self.bootstrap_server})"

    @property
    def data(self) -> Path:
        """The directory of the partitions' logs."""
        return self.directory / "data"

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _output(self) -> Path:
        return self.directory / "output.log"

    @property
    def _logs(self) -> tuple[Path, Path]:
        return self.directory / "server.log", self._output

    async def _serves(self) -> bool:
        # The brokers that a node names are those that the controller has unfenced: it serves once it is among them.
        return self.node_id in await self.known_brokers()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)  # does nothing if the process has ended


async def until(nodes: Sequence[KafkaNode], holds: Callable[[], Awaitable[bool]], timeout: float, not_yet: str) -> None:
    """Wait until a condition on nodes holds; a node that does not answer counts as not yet.

    Raises:
        NodeFailedError: if the process of one of the nodes has ended.
        TimeoutError: with the ends of the nodes' logs, if it does not hold within the timeout (seconds).
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for node in nodes:
            node.check()
        try:
            if await holds():
                return
        except (OSError, KafkaError):  # a TimeoutError is an OSError
            pass
        await asyncio.sleep(_POLL)
    logs = "\n".join(f"{node}: {node.log_tail()}" for node in nodes)
    raise TimeoutError(f"{not_yet} after {timeout:.0f} s:\n{logs}")
