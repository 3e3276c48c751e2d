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

from local_stack.kafka.distribution import JAVA_ENV, Distribution
from local_stack.kafka.security import Security
from local_stack.lifetime import dies_with_parent, run

START_TIMEOUT = 60.0
"""Seconds until a node that does not answer counts as failed. It takes about two on an idle machine; a laptop that
compiles something else at the same time takes many times that."""

STOP_TIMEOUT = 20.0
"""Seconds for an orderly stop before the node is killed. Kafka itself would wait minutes for a quorum that is gone;
nothing acknowledged is lost either way, a killed node only reads its last segments again when it starts."""

_LOG4J = Path(__file__).with_name("log4j2.xml")
_FORMAT_TIMEOUT = 60.0
# A port answers before the broker behind it does: give up soon and ask again.
_REQUEST_TIMEOUT_MS = 1000
_POLL = 0.05
_SHOWN = 4000


class NodeFailedError(RuntimeError):
    """A node could not be formatted, or ended by itself; the message has the end of its log."""


@dataclass(slots=True, eq=False)
class KafkaNode:
    """One node; made by `KafkaCluster`.

    `start` has to be called in a thread that outlives the node: on Linux the node dies with it.
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
        """Where clients reach this node."""
        return f"127.0.0.1:{self.port}"

    @property
    def argv(self) -> list[str]:
        """The command of the prepared node, for a supervisor of one's own."""
        return self.distribution.command(
            "kafka.Kafka",
            str(self._properties),
            options=(
                f"-Xms{self.heap_mb // 4}m",
                f"-Xmx{self.heap_mb}m",
                # Java caches a buffer outside the heap for every thread and the largest message that it ever saw.
                f"-Djdk.nio.maxCachedBufferSize={1024 * 1024}",
                # Only the full compiler uses the processor's own AES: without it TLS would be the slowest part by far.
                *(("-XX:TieredStopAtLevel=4",) if self.security else ()),
                # A broker that goes on without one of its threads is worse than one that ends.
                "-XX:+ExitOnOutOfMemoryError",
                f"-XX:ErrorFile={self.directory / 'crash-%p.log'}",
                f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}",
                f"-Decg.kafka.log={self.directory / 'server.log'}",
            ),
        )

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables that the command needs beside those of this process."""
        return JAVA_ENV

    @property
    def running(self) -> bool:
        """Whether the process that `start` made is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def prepare(self, properties: str, cluster_id: str) -> None:
        """Write the configuration, and format the data directory unless it is; data in it stays.

        Raises:
            NodeFailedError: if Kafka's storage tool fails.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(properties)
        self._cluster_id = cluster_id
        if self.formatted_for() is not None:
            return
        # With "=": an id may begin with a dash.
        users = self.security.scram() if self.security else ()
        arguments = ("format", f"--cluster-id={cluster_id}", f"--config={self._properties}", *users)
        code, answer = run(self.distribution.command("kafka.tools.StorageTool", *arguments), self.env, _FORMAT_TIMEOUT)
        if code:
            raise NodeFailedError(f"{self} could not be formatted:\n{answer[-_SHOWN:]}")

    def formatted_for(self) -> str | None:
        """Give the id of the cluster that the data directory was formatted for, None if it was not."""
        # The storage tool writes this file last, in one step.
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
                # Ctrl-C in the terminal is for whoever stops the node, not for the node.
                start_new_session=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509 - it takes no lock that another thread could hold
            )
        # Where the kernel does not do it, the interpreter's end at least does not leave it behind.
        atexit.register(self.kill)

    async def ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until it serves clients as a member of the cluster.

        Raises:
            NodeFailedError: if the process ended.
            TimeoutError: if it does not serve within the timeout (seconds).
        """
        await until([self], self._serves, timeout, f"{self} does not serve")

    async def exited(self) -> int:
        """Wait for the end of the process that `start` made; return the exit code."""
        assert self._process is not None  # noqa: S101 - start comes first
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - to wait in a thread could not be cancelled
            await asyncio.sleep(_POLL)
        return code

    async def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop it in order; kill it once the timeout is over. A frozen one is thawed for it."""
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
        """Kill it as a crash would, and wait for its end."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        atexit.unregister(self.kill)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers, as in a long pause or behind a lost network."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    async def restart(self, timeout: float = START_TIMEOUT) -> None:
        """Stop it in order if it runs, start it on the same port and data, and wait until it serves."""
        await self.stop()
        self.start()
        await self.ready(timeout)

    def check(self) -> None:
        """Raise if the process that `start` made has ended.

        Raises:
            NodeFailedError: with the end of its log.
        """
        if self._process is not None and not self.running:
            raise NodeFailedError(f"{self} ended with code {self._process.returncode}:\n{self.log_tail()}")

    async def ask(self, request: Request[Any]) -> dict[str, Any]:
        """Send this very node one request and give the fields of its answer.

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
        """Ask it for the ids of the brokers that serve; none while somebody else answers on its port.

        Raises:
            OSError, KafkaError: if nobody answers within a second.
        """
        answer = await self.ask(MetadataRequest([]))
        if answer["cluster_id"] != self._cluster_id:
            return set()
        return {broker["node_id"] for broker in answer["brokers"]}

    def log_tail(self) -> str:
        """Give the end of what it logged, and of what Java itself printed."""
        texts = [path.read_bytes()[-_SHOWN:].decode(errors="replace") for path in self._logs if path.exists()]
        return "\n".join(texts).strip()

    def __str__(self) -> str:
        return f"Kafka node {self.node_id} ({self.bootstrap_server})"

    @property
    def data(self) -> Path:
        """Where it keeps its logs."""
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
        # A broker answers only once the controller lets it serve, and names the brokers that do.
        return self.node_id in await self.known_brokers()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)  # does nothing once the process has ended


async def until(nodes: Sequence[KafkaNode], holds: Callable[[], Awaitable[bool]], timeout: float, not_yet: str) -> None:
    """Wait for a condition that asks nodes; no answer counts as not yet.

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
