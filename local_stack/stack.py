"""The runner: starts the whole pipeline, waits until it is ready, keeps it running, and stops it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import msgspec

from ecg_client.local import RunningStack, state_file
from local_stack import broker
from local_stack.config import Broker, Config, write_private
from local_stack.kafka import Distribution, KafkaCluster, KafkaNode
from local_stack.process import Child
from local_stack.supervision import keep_running

_ROOT = Path(__file__).parents[1]
_READY_TIMEOUT = 60.0
STOP_TIMEOUT = 8.0
"""Seconds after which a gateway or worker that should stop is killed: it ends itself before."""

# The embedded broker has nothing to save; Kafka has its own timeout.
_EMBEDDED_STOP_TIMEOUT = 1.0

_KAFKA_SETTINGS = {
    # No other node has a copy: an acknowledged record must be on the disk, or a power cut would lose it.
    "log.flush.interval.messages": 1,
}

_GUIDE = """
Ready.
  API      {url}
  page     {url}/
  docs     {url}/docs
  Kafka    {bootstrap_servers}
  admin    {admin_token}{metrics}

Try it, in another terminal:

  TOKEN=$(curl -s {url}/users -H 'x-admin-token: {admin_token}' \\
    -H 'content-type: application/json' -d '{{"username": "user"}}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')

  ID=$(curl -s {url}/ecgs -H "x-user-token: $TOKEN" -H 'content-type: application/json' \\
    -d '{{"leads": [{{"name": "I", "signal": [1, 0, -1, 0, 1, 0, 0, 1]}}, {{"name": "II", "signal": [1, 0, -1]}}]}}' \\
    | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')

  curl -s {url}/ecgs/$ID/insights -H "x-user-token: $TOKEN" -H 'prefer: wait=10'

or: make demo

Ctrl-C stops everything."""


class Stack:
    """The pipeline's processes on this machine."""

    def __init__(self, config: Config, kafka: Distribution | None) -> None:
        self._config = config
        self._kafka = kafka
        self._stopping = asyncio.Event()
        self._broker: Child | KafkaNode | None = None
        self._services: list[Child] = []

    async def run(self) -> int:
        """Run until a signal comes, the broker ends, or a process cannot start; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        stopping = asyncio.create_task(self._stopping.wait())
        running = asyncio.create_task(self._run())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return 0
            running.result()
            return 1
        finally:
            stopping.cancel()
            running.cancel()
            # First, so that nothing starts again during the stop.
            await asyncio.gather(running, return_exceptions=True)
            await self._stop()

    async def _run(self) -> None:
        """Start everything and keep it running; when that is not possible, print the reason and return."""
        await self._start_broker()
        config = self._config
        _say(f"Starting {_count(len(config.worker_ports), 'worker')} and {_count(config.gateways, 'gateway')}")
        self._services = self._make_services()
        ends = [
            asyncio.create_task(end)
            for end in (
                *([_end_of_broker(self._broker)] if self._broker else []),
                *(_end_of_service(child) for child in self._services),
                self._announce(),
            )
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _start_broker(self) -> None:
        config = self._config
        if self._kafka is not None:
            await self._start_kafka(self._kafka)
        elif config.broker is Broker.EMBEDDED:
            _say("The embedded broker keeps everything in memory: nothing survives a restart.")
            _say(f"Starting the broker on port {config.broker_port}")
            self._broker = Child("broker", broker.command(config.broker_port), {}, 0)
            await self._broker.start()
            await broker.accepts_connections(config.broker_port)
        else:
            _say(f"Using the Kafka at {config.bootstrap_servers}")

    def _make_services(self) -> list[Child]:
        config = self._config
        environment = {**config.environment, "PYTHONPATH": _python_path()}
        workers = [
            {"ECG_WORKER_PORT": str(port), "ECG_DATA_DIR": str(directory)}
            for port, directory in zip(config.worker_ports, config.worker_dirs(), strict=True)
        ]
        gateway = [sys.executable, "-m", "ingest_api"]
        metrics = [{"ECG_METRICS_PORT": str(port)} for port in config.metrics_ports] or [{}] * (
            config.gateways + len(workers)
        )
        return [
            *(
                Child(name, [sys.executable, "-m", "stream_agents"], {**environment, **worker, **port}, 1)
                for name, worker, port in zip(
                    _names("worker", len(workers)), workers, metrics[config.gateways :], strict=True
                )
            ),
            *(
                Child(name, gateway, {**environment, **port}, 2)
                for name, port in zip(_names("gateway", config.gateways), metrics[: config.gateways], strict=True)
            ),
        ]

    async def _start_kafka(self, kafka: Distribution) -> None:
        config = self._config
        _say(f"Everything is kept in {config.data_dir}, and is there again after a restart.")
        _say(f"Starting Apache Kafka on port {config.broker_port}")
        # Health data: no other user of this machine may read it.
        config.kafka_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        cluster = KafkaCluster(kafka, config.kafka_dir, ports=[config.broker_port], settings=_KAFKA_SETTINGS)
        await cluster.start()
        [self._broker] = cluster.nodes

    async def _announce(self) -> None:
        """Wait until the gateway is ready, then print how to use it; return only if it is not ready in time."""
        missing = await self._wait_ready()
        if missing is not None:
            _say(f"Not ready after {_READY_TIMEOUT:.0f} s; missing: {missing}")
            return
        config = self._config
        state = RunningStack(config.url, config.admin_token, config.bootstrap_servers, config.broker is Broker.EMBEDDED)
        write_private(state_file(config.data_dir), msgspec.json.encode(state).decode())
        ports = ", ".join(map(str, config.metrics_ports))
        _say(
            _GUIDE.format(
                url=config.url,
                bootstrap_servers=config.bootstrap_servers,
                admin_token=config.admin_token,
                metrics=f"\n  metrics  http://127.0.0.1:PORT/metrics, PORT = {ports}" if ports else "",
            )
        )
        await asyncio.Event().wait()

    async def _wait_ready(self) -> str | None:
        """Return None once the gateway is ready, or the names of what is missing at the deadline."""
        missing, deadline = "the gateway", asyncio.get_running_loop().time() + _READY_TIMEOUT
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            while asyncio.get_running_loop().time() < deadline:
                try:
                    response = await client.get(f"{self._config.url}/health/ready")
                except httpx.HTTPError:
                    now_missing = "the gateway"
                else:
                    if response.is_success:
                        return None
                    now_missing = ", ".join(response.json()["missing"])
                if now_missing != missing:
                    missing = now_missing
                    _say(f"Waiting for: {missing}")
                await asyncio.sleep(0.2)
        return missing

    async def _stop(self) -> None:
        _say("Stopping")
        state_file(self._config.data_dir).unlink(missing_ok=True)
        await asyncio.gather(*(child.stop(STOP_TIMEOUT) for child in self._services))
        if isinstance(self._broker, KafkaNode):
            await self._broker.stop()
        elif self._broker:
            await self._broker.stop(_EMBEDDED_STOP_TIMEOUT)


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH")
    return f"{_ROOT}{os.pathsep}{inherited}" if inherited else str(_ROOT)


def _count(number: int, what: str) -> str:
    return f"a {what}" if number == 1 else f"{number} {what}s"


def _names(what: str, number: int) -> list[str]:
    return [what] if number == 1 else [f"{what} {i}" for i in range(1, number + 1)]


async def _end_of_broker(broker: Child | KafkaNode) -> None:
    code = await broker.exited()
    _report(f"{broker} ended unexpectedly with exit code {code}", broker)


async def _end_of_service(child: Child) -> None:
    _report(await keep_running(child, _say), child)


def _report(reason: str, child: Child | KafkaNode) -> None:
    _say(f"{reason}. Its last lines:")
    for line in child.log_tail().splitlines():
        _say(f"    {line}")


def _say(text: str) -> None:
    print(text, flush=True)
