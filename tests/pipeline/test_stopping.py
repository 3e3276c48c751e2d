"""A gateway that is told to stop ends in time, whatever the state of the broker, and answers requests with 503."""

import asyncio
import itertools
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from shared.security.ids import IdIssuer
from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.ecgs import LEADS
from tests.support.pipeline import SECRET, Gateway, NewPipeline, Pipeline

NewBroker = Callable[[], Awaitable[Broker]]

# Seconds; container runtimes kill a process after ten.
LIMIT = 8.0
SIGNALS = [signal.SIGTERM, signal.SIGINT]
# Clients of each kind of request. The kinds cover FastAPI's routes and direct ones.
CLIENTS = 4


class Load:
    """Requests of every kind, repeated on many connections until the gateway has ended."""

    def __init__(self, pipeline: Pipeline, token: str) -> None:
        self.answers: Counter[int] = Counter()
        self._asked: Counter[str] = Counter()
        self._pipeline = pipeline
        self._token = token
        self._under_way: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Start the requests, and wait until the gateway is busy with them."""
        issued = [IdIssuer(SECRET).issue("clinic") for _ in range(CLIENTS)]
        body = {"leads": LEADS}
        for ecg_id in issued:
            self._repeat("POST", "/ecgs", json=body)
            self._repeat("GET", f"/ecgs/{ecg_id}/insights")
            self._repeat("GET", "/ecgs")
            self._repeat("GET", f"/ecgs/{ecg_id}/insights", headers={"prefer": "wait=30"})
            self._repeat("GET", "/events")
        await eventually(self._busy, 60, what="answers")

    async def end(self) -> None:
        """Wait until no request is under way."""
        async with asyncio.timeout(15):
            await asyncio.gather(*self._under_way)

    async def stuck(self) -> None:
        """Wait until every client that submits waits for the broker."""
        await eventually(self._still, what="every submission waiting")

    async def _still(self) -> bool | None:
        before = self.answers.total()
        await asyncio.sleep(0.5)
        return (self._asked["POST"] == CLIENTS and self.answers.total() == before) or None

    async def _busy(self) -> bool | None:
        return True if self.answers[201] > CLIENTS and self.answers[202] > CLIENTS else None

    def _repeat(self, method: str, path: str, **options: object) -> None:
        self._under_way.append(asyncio.create_task(self._call(method, path, options)))

    async def _call(self, method: str, path: str, options: dict[str, object]) -> None:
        async with self._pipeline.client(token=self._token) as client:
            while True:
                self._asked[method] += 1
                try:
                    answer = await client.request(method, path, **options)  # type: ignore[arg-type]
                except httpx.TransportError:
                    return
                finally:
                    self._asked[method] -= 1
                self.answers[answer.status_code] += 1
                if answer.status_code == 503:
                    assert int(answer.headers["retry-after"]) >= 1


async def stopped(gateway: Gateway, number: int, state: str) -> None:
    """Stop a gateway, print the time that it took, and check it and the exit code."""
    begun = time.monotonic()
    gateway.signal(number)
    code = await asyncio.to_thread(gateway.running.wait, 30)
    seconds = time.monotonic() - begun
    print(f"\n{state}, {signal.Signals(number).name}: the gateway ended after {seconds:.1f} s")
    assert (code, seconds <= LIMIT) == (0, True), f"{code} after {seconds:.1f} s:\n{gateway.tail()}"


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("broker there", signal.SIGTERM),
        pytest.param("broker frozen", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("broker killed", signal.SIGTERM, marks=pytest.mark.slow),
        # The other signal is handled in the same way.
        pytest.param("broker there", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("broker killed", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("broker frozen", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
async def test_a_busy_gateway_ends_in_time_and_answers_503(
    new_broker: NewBroker, new_pipeline: NewPipeline, state: str, number: int
) -> None:
    broker = await new_broker()
    pipeline = new_pipeline(broker)
    gateway = pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    load = Load(pipeline, await pipeline.register("clinic"))
    await load.begin()
    try:
        if state == "broker killed":
            broker.kill()
        if state == "broker frozen":
            broker.pause()
        if state != "broker there":
            await load.stuck()
        await stopped(gateway, number, state)
        await load.end()
    finally:
        worker.kill()
        broker.resume()
    print(f"answers: {dict(load.answers)}")
    assert set(load.answers) <= {200, 201, 202, 503}
    if state != "broker there":
        assert load.answers[503] >= CLIENTS


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_gateway_whose_broker_is_mute_at_the_start_ends_in_time(new_pipeline: NewPipeline, number: int) -> None:
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        gateway = new_pipeline().start_gateway(ECG_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
        async with asyncio.timeout(60):
            await asked.wait()
        await stopped(gateway, number, "broker mute at the start")


async def test_a_request_on_an_idle_connection_is_answered_as_its_last(new_pipeline: NewPipeline) -> None:
    """A proxy may have sent the request before it notices the stop, and cannot repeat it elsewhere."""
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("clinic")

    async def refused() -> bool | None:
        try:
            async with httpx.AsyncClient() as new:
                await new.get(f"{gateway.url}/health/ping")
        except httpx.ConnectError:
            return True
        return None

    async with pipeline.client(token=token) as client:
        answer = await client.post("/ecgs", json={"leads": LEADS})
        assert "connection" not in answer.headers
        gateway.signal(signal.SIGTERM)
        await eventually(refused, what="a gateway that stops")
        answer = await client.post("/ecgs", json={"leads": LEADS})
        assert (answer.status_code, answer.headers["connection"]) == (201, "close")
        assert await asyncio.to_thread(gateway.running.wait, 30) == 0


@pytest.mark.slow
async def test_a_gateway_that_stops_closes_a_connection_that_stays_idle(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client() as client:
        await client.get("/health/ping")
        await stopped(gateway, signal.SIGTERM, "a connection idle")
    assert "took too long" not in gateway.tail()


async def test_repeated_signals_do_not_change_the_exit_code(new_pipeline: NewPipeline) -> None:
    """Supervisors and people may send several signals; the exit code stays 0."""
    pipeline = new_pipeline()
    processes = [pipeline.start_gateway(), pipeline.start_worker()]
    await pipeline.ready()
    for process in processes:
        numbers = itertools.cycle(SIGNALS)
        while process.running.poll() is None:
            process.signal(next(numbers))
            await asyncio.sleep(0.002)
        assert process.running.returncode == 0, process.tail()
