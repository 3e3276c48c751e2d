"""A pipeline of processes for tests to start, break and query."""

import asyncio
import contextlib
import secrets
import signal
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from contracts import acls
from contracts.acls import Role
from local_stack.broker import free_port
from shared.kafka import topics
from shared.kafka.clients import client_options
from shared.security.tls import client_context
from shared.settings import Settings
from tests.support import documented
from tests.support.conditions import DEADLINE, eventually
from tests.support.process import Process

if TYPE_CHECKING:
    from tests.support.brokers import Broker

PARTITIONS = 4
"""Of a topic in the tests of `make test`: topics and tables of the usual twelve take a quarter of the tests' time."""

ADMIN_TOKEN = secrets.token_hex(32)
SECRET = "test-secret-0123456789-0123456789"
# A context without authorities, for clients that use plain HTTP: httpx would load all of them for each client, which
# takes 40 ms.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Gateway(Process):
    url: str = ""


@dataclass
class Worker(Process):
    url: str = ""


@dataclass
class Pipeline:
    """Gateways and workers on a broker.

    They are forked from processes that have imported their programs, which takes a tenth of the time, unless `forked`
    is changed: for tests that measure their memory, or read what /proc says of them.
    """

    broker: "Broker"
    directory: Path
    prefix: str = "ecg"
    overrides: dict[str, str] = field(default_factory=dict)
    gateways: list[Gateway] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    forked: bool = True
    _prepared: bool = False

    @property
    def bootstrap_servers(self) -> str:
        return self.broker.bootstrap_servers

    @property
    def kafka(self) -> dict[str, Any]:
        """The options of a test's own Kafka client, which has all permissions."""
        return client_options(self.settings)

    @property
    def librdkafka(self) -> dict[str, str]:
        """The same options for librdkafka."""
        options, files = self.kafka, self.settings.kafka_files
        login = {"mechanism": "sasl.mechanism", "plain_username": "sasl.username", "plain_password": "sasl.password"}
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": options["security_protocol"],
            **({"ssl.ca.location": str(files.ca)} if files.ca else {}),
            **{name: options[f"sasl_{ours}"] for ours, name in login.items() if f"sasl_{ours}" in options},
        }

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of a process with all permissions on the broker."""
        return {
            **(self.broker.security.environment() if self.broker.security else {}),
            "ECG_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "ECG_EMBEDDED_BROKER": str(self.broker.embedded),
            # A group's join takes half of it there, rounded up to seconds, and so does each rebalance.
            **({"ECG_SESSION_TIMEOUT": "2"} if self.broker.embedded else {}),
            "ECG_TOPIC_PREFIX": self.prefix,
            "ECG_SECRET": SECRET,
            "ECG_ADMIN_TOKEN": ADMIN_TOKEN,
            # No limit, because all tests come from the same address.
            "ECG_AUTH_FAILURES_PER_MINUTE": "0",
            **self.overrides,
        }

    @property
    def settings(self) -> Settings:
        values = {name.removeprefix("ECG_").lower(): value for name, value in self.env.items()}
        return Settings.model_validate(values)

    def env_of(self, role: Role) -> dict[str, str]:
        """Return the environment variables of a process with the permissions of its role."""
        security = self.broker.security
        return {**self.env, **(security.environment(acls.users()[role]) if security else {})}

    def _prepare(self) -> None:
        """Create topics and permissions on a secured broker, as an operator does: processes must not create topics."""
        if self.broker.security and not self._prepared:

            async def prepare() -> None:
                await topics.create(self.settings)
                await acls.apply(self.settings, acls.users())

            # In a thread, because this function is not asynchronous and the event loop already runs.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, prepare()).result()
        self._prepared = True

    def start_gateway(self, program: str | None = None, **env: str) -> Gateway:
        """Start a gateway, or a Python program that runs one."""
        self._prepare()
        port = free_port()
        gateway = Gateway(
            f"gateway-{len(self.gateways)}",
            [sys.executable, *(("-c", program) if program else ("-m", "ingest_api"))],
            {**self.env_of(Role.GATEWAY), "ECG_HTTP_PORT": str(port), **env},
            self.directory / f"gateway-{len(self.gateways)}.log",
            imported="ingest_api.__main__" if self.forked else "",
            url=f"http://127.0.0.1:{port}",
        )
        self.gateways.append(gateway)
        gateway.start()
        return gateway

    def start_worker(self, program: str | None = None, **env: str) -> Worker:
        """Start a worker, or a Python program that runs one."""
        self._prepare()
        port, name = free_port(), f"worker-{len(self.workers)}"
        worker = Worker(
            name,
            [sys.executable, *(("-c", program) if program else ("-m", "stream_agents"))],
            {
                **self.env_of(Role.WORKER),
                "ECG_WORKER_PORT": str(port),
                "ECG_DATA_DIR": str(self.directory / name),
                **env,
            },
            self.directory / f"{name}.log",
            imported="stream_agents.__main__" if self.forked else "",
            url=f"http://127.0.0.1:{port}",
        )
        self.workers.append(worker)
        worker.start()
        return worker

    async def ready(self, workers: int = 1) -> None:
        """Wait until all running gateways are ready, and at least `workers` running workers share the partitions."""
        for gateway in self.gateways:
            if gateway.running.poll() is None:
                await self._ready(gateway)
        running = [worker for worker in self.workers if worker.running.poll() is None]
        assert len(running) >= workers

        async def shared() -> bool | None:
            for worker in running:
                assert worker.running.poll() is None, f"{worker.name} exited:\n{worker.tail()}"
            return await self.shares_partitions(running) or None

        await eventually(shared, what="workers sharing the partitions")

    async def alive(self) -> None:
        """Wait until every gateway serves, with or without workers."""
        for gateway in self.gateways:

            async def probe(gateway: Gateway = gateway) -> bool | None:
                assert gateway.running.poll() is None, f"{gateway.name}:\n{gateway.tail()}"
                return await self._answer(f"{gateway.url}/health/ping") is not None or None

            await eventually(probe, what=f"{gateway.name} serving")

    async def _ready(self, gateway: Gateway) -> None:
        async def probe() -> bool | None:
            for process in [gateway, *self.workers]:
                assert process.running.poll() in (None, -signal.SIGKILL, 0), f"{process.name}:\n{process.tail()}"
            return await self.is_ready(gateway) or None

        await eventually(probe, what=f"{gateway.name} ready:\n{gateway.tail()}")

    async def is_ready(self, gateway: Gateway) -> bool:
        """Return True if a gateway is ready."""
        return await self._answer(f"{gateway.url}/health/ready") is not None

    async def shares_partitions(self, workers: list[Worker]) -> bool:
        """Return True if each of these workers is ready, and together they serve every partition once."""
        settings, served = self.settings, list[int]()
        for worker in workers:
            url = worker.url.replace("http:", "https:") if settings.internal_files else worker.url
            answer = await self._answer(f"{url}/health/ready")
            if not answer or not answer["partitions"]:
                return False
            served += answer["partitions"]
        return sorted(served) == list(range(settings.partitions))

    async def _answer(self, url: str) -> Any:
        """Return what a health check answers, or None unless its status is 200."""
        files = self.settings.internal_files
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(verify=client_context(files) if files else NO_TLS, timeout=30) as client:
                response = await client.get(url)
                return response.json() if response.status_code == 200 else None
        return None

    def stop(self) -> None:
        """Stop all processes at the same time, after thawing them."""
        for process in [*self.gateways, *self.workers]:
            if process.popen and process.popen.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
        for process in [*self.gateways, *self.workers]:
            if process.popen:
                process.stop()

    def gateways_from(self, turn: int) -> list[Gateway]:
        """Return the gateways in the order in which a client tries them, beginning with the one whose turn it is."""
        first = turn % len(self.gateways)
        return self.gateways[first:] + self.gateways[:first]

    def client(self, index: int = 0, token: str | None = None) -> httpx.AsyncClient:
        """Return an HTTP client of a gateway that fails the test if an answer is not as documented."""
        headers = {"x-user-token": token} if token else {}
        hooks = {"response": [documented.check]}
        return httpx.AsyncClient(
            base_url=self.gateways[index].url, headers=headers, timeout=DEADLINE, event_hooks=hooks, verify=NO_TLS
        )

    async def register(self, username: str, index: int = 0) -> str:
        """Register a user and return the token."""
        async with self.client(index) as client:
            response = await client.post("/users", json={"username": username}, headers={"x-admin-token": ADMIN_TOKEN})
        assert response.status_code == 201, response.text
        return str(response.json()["token"])


NewPipeline = Callable[..., Pipeline]
"""Makes a pipeline without processes, on topics of its own."""
