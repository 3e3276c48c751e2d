"""The processes of a benchmark, which are stopped when their block is left."""

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.machine import pinned
from local_stack.broker import accepts_connections
from local_stack.kafka import Distribution, KafkaCluster, Security
from local_stack.kafka.cluster import free_ports
from local_stack.lifetime import dies_with_parent
from shared.settings import MIB, Settings

ROOT = Path(__file__).parents[1]
ADMIN_TOKEN = secrets.token_hex(32)
SECRET = "benchmarks-secret-0123456789-0123456789"  # noqa: S105 - signs only the ids of a benchmark
START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0


class ServiceFailed(Exception):  # noqa: N818 - named for what happened
    """A process ended by itself or did not get ready; the message includes the end of its log."""


@dataclass(frozen=True)
class Code:
    """The code that the pipeline's processes run: a checkout, a Python with its dependencies, and perhaps a runner.

    A runner is a module that runs the module named by its argument.
    """

    root: Path = ROOT
    python: str = sys.executable
    runner: str | None = None

    def command(self, module: str) -> list[str]:
        """Return the command that runs a module, in the checkout."""
        return [self.python, "-m", *([self.runner] if self.runner else []), module]


PRESENT = Code()


@dataclass
class Service:
    """A process that writes its output to a file, and is pinned to a core if one is given."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    log: Path
    port: int = 0
    core: int | None = None
    directory: Path = ROOT
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None  # noqa: S101 - start comes first
        return self._process.pid

    def start(self) -> None:
        """Start the process."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, pinned(self.core):
            self._process = subprocess.Popen(  # noqa: S603 - programs of the benchmarks
                self.argv,
                env={**os.environ, **self.env},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C must not reach it: the benchmark stops it.
                start_new_session=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509 - it takes no lock that another thread could hold
            )

    def check(self) -> None:
        """Raise an error if the process has ended.

        Raises:
            ServiceFailed: with the end of its log.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ServiceFailed(f"{self.name} ended with code {code}:\n{self.log.read_text()[-3000:]}")

    async def listens(self) -> None:
        """Wait until the process's port accepts connections.

        Raises:
            ServiceFailed: if it does not in time.
        """
        if not await accepts_connections(self.port, START_TIMEOUT):
            self.check()
            raise ServiceFailed(f"{self.name} does not listen:\n{self.log.read_text()[-3000:]}")

    async def says(self, text: str, timeout: float = START_TIMEOUT) -> None:
        """Wait until the process's log contains a text.

        Raises:
            ServiceFailed: if it does not in time, or the process ends.
        """
        deadline = time.monotonic() + timeout
        while text not in self.log.read_text(errors="replace"):
            self.check()
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{self.name} did not say {text!r}:\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Ask the process to stop; kill it after the timeout."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Pipeline:
    """Our gateways and workers on a broker; they are stopped when the block is left."""

    def __init__(
        self, servers: str, directory: Path, prefix: str = "ecg", code: Code = PRESENT, **settings: str
    ) -> None:
        self._directory = directory
        self._code = code
        self.gateways: list[Service] = []
        self.workers: list[Service] = []
        self.env = {
            "ECG_BOOTSTRAP_SERVERS": servers,
            "ECG_TOPIC_PREFIX": prefix,
            "ECG_SECRET": SECRET,
            "ECG_ADMIN_TOKEN": ADMIN_TOKEN,
            "ECG_LOG_LEVEL": "INFO",
            **settings,
        }

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        for service in [*self.gateways, *self.workers]:
            service.stop()

    @property
    def settings(self) -> Settings:
        """The settings of the processes."""
        return Settings.model_validate({name.removeprefix("ECG_").lower(): value for name, value in self.env.items()})

    async def start_gateway(self, core: int | None = None) -> Service:
        """Start a gateway and wait until it listens."""
        env = {"ECG_HTTP_PORT": str(port := free_port())}
        gateway = self._service(f"gateway-{len(self.gateways)}", "ingest_api", env, port, core)
        self.gateways.append(gateway)
        gateway.start()
        await gateway.listens()
        return gateway

    def start_worker(self, core: int | None = None, data: Path | None = None) -> Service:
        """Start a worker; it is ready once it logs `event=serving`."""
        name, port = f"worker-{len(self.workers)}", free_port()
        data = data or self._directory / name
        worker = self._service(
            name, "stream_agents", {"ECG_WORKER_PORT": str(port), "ECG_DATA_DIR": str(data)}, port, core
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def _service(self, name: str, module: str, env: Mapping[str, str], port: int, core: int | None) -> Service:
        log, command = self._directory / f"{name}.log", self._code.command(module)
        return Service(name, command, {**self.env, **env}, log, port, core, self._code.root)

    async def balanced(self, workers: list[Service]) -> None:
        """Wait until these workers serve all partitions, each of them once.

        Raises:
            ServiceFailed: if they do not in time, or one ends.
        """
        deadline = time.monotonic() + START_TIMEOUT
        everything = list(range(self.settings.partitions))
        while sorted(itertools.chain.from_iterable(map(_serving, workers))) != everything:
            for worker in workers:
                worker.check()
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{len(workers)} workers do not share the partitions")
            await asyncio.sleep(0.1)

    def register(self, username: str) -> str:
        """Register a user at the first gateway and return the token."""
        url = f"http://127.0.0.1:{self.gateways[0].port}/users"
        headers = {"x-admin-token": ADMIN_TOKEN}
        answer = httpx.post(url, json={"username": username}, headers=headers, timeout=10, trust_env=False)
        return str(answer.raise_for_status().json()["token"])


def _serving(worker: Service) -> list[int]:
    lines = [line for line in worker.log.read_text().splitlines() if "event=serving" in line]
    inside = lines[-1].partition("[")[2].partition("]")[0] if lines else ""
    return [int(text) for text in inside.split(",") if text.strip()]


@asynccontextmanager
async def kafka(
    distribution: Distribution,
    directory: Path,
    core: int | None = None,
    security: Security | None = None,
    settings: Mapping[str, int] | None = None,
) -> AsyncIterator[KafkaCluster]:
    """Run one node of Apache Kafka."""
    # Enough heap for the requests under way in a benchmark; the rest of the memory is left to the page cache.
    cluster = KafkaCluster(distribution, directory, heap_mb=1024, settings=settings, security=security)
    try:
        with pinned(core):
            await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


SHORT_LIVED = {"log.retention.bytes": 64 * MIB, "log.segment.bytes": 32 * MIB, "log.retention.check.interval.ms": 5000}
"""Settings of a broker that deletes old segments soon, because a benchmark writes more than the disk should hold."""


def python(module: str) -> list[str]:
    """Return the command that runs a module of the benchmarks."""
    return PRESENT.command(module)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens, and which is not an ephemeral port."""
    return free_ports(1)[0]
