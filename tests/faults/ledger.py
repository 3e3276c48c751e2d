"""A client that records every accepted ECG, and later checks each of them."""

import asyncio
import itertools
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import aiohttp
import httpx
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.kafka.topics import Topics
from tests.support.ecgs import crossings
from tests.support.pipeline import Pipeline

_ANSWER_TIMEOUT = 90.0
_CONNECTIONS = 32


@dataclass
class Tally:
    """The outcomes of a scenario's ECGs."""

    lost: int = 0
    wrong: int = 0
    stuck: int = 0
    duplicated: int = 0


@dataclass
class Ledger:
    """Submits random ECGs with known insights, half over HTTP with retries, half produced directly."""

    pipeline: Pipeline
    token: str
    username: str
    accepted: dict[str, list[int]] = field(default_factory=dict)
    # Answers to submissions other than 201 and 503, by status.
    unexpected: Counter[int] = field(default_factory=Counter)
    # Called for every ECG as soon as a gateway has accepted it.
    on_accepted: Callable[[str], None] = lambda _: None

    async def submit(self, numbers: Iterable[int], rate: float) -> None:
        """Submit the ECGs with these numbers at a steady rate, and wait until all have been accepted."""
        topic = Topics(self.pipeline.settings).submissions.name
        start, limit = time.monotonic(), asyncio.Semaphore(4 * _CONNECTIONS)
        producer = AIOKafkaProducer(**self.pipeline.kafka, enable_idempotence=True, request_timeout_ms=60_000)
        await producer.start()
        async with httpx.AsyncClient(headers={"x-user-token": self.token}, timeout=15) as client:

            async def one(number: int) -> None:
                async with limit:
                    if number % 2:
                        await self._over_http(client, number)
                    else:
                        await self._directly(producer, topic, number)

            async with asyncio.TaskGroup() as submitting:
                for i, number in enumerate(numbers):
                    submitting.create_task(one(number))
                    await asyncio.sleep(max(0.0, start + (i + 1) / rate - time.monotonic()))
        await producer.stop()

    def _ecg(self, number: int) -> tuple[list[dict[str, object]], list[int]]:
        rng = random.Random(f"{self.username}-{number}")
        signals = [[rng.randint(-9, 9) for _ in range(60)] for _ in range(3)]
        leads: list[dict[str, object]] = [{"name": f"L{i}", "signal": signal} for i, signal in enumerate(signals)]
        return leads, [crossings(signal) for signal in signals]

    async def _over_http(self, client: httpx.AsyncClient, number: int) -> None:
        leads, counts = self._ecg(number)
        headers = {"idempotency-key": f"{self.username}-{number}"}
        for gateway in itertools.cycle(self.pipeline.gateways_from(number // 2)):
            try:
                response = await client.post(f"{gateway.url}/ecgs", json={"leads": leads}, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if response.status_code == 201:
                ecg_id = response.json()["id"]
                self.accepted[ecg_id] = counts
                self.on_accepted(ecg_id)
                return
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.unexpected[response.status_code] += 1
            await asyncio.sleep(int(response.headers.get("retry-after", "1")))

    async def _directly(self, producer: AIOKafkaProducer, topic: str, number: int) -> None:
        leads, counts = self._ecg(number)
        ecg_id = str(uuid.UUID(int=random.Random(f"id-{self.username}-{number}").getrandbits(128), version=4))
        value = orjson.dumps({"id": ecg_id, "username": self.username, "leads": leads})
        while True:
            try:
                await producer.send_and_wait(topic, value, ecg_id.encode())
            except KafkaError:
                await asyncio.sleep(0.5)
            else:
                self.accepted[ecg_id] = counts
                return

    async def check(self) -> Tally:
        """Query every accepted ECG, and count those that are lost, wrong or stuck."""
        tally = Tally()
        limit, deadline = asyncio.Semaphore(_CONNECTIONS), time.monotonic() + _ANSWER_TIMEOUT
        # With aiohttp: with httpx, these tens of thousands of queries took half of the suite's time.
        headers, timeout = {"x-user-token": self.token}, aiohttp.ClientTimeout(15)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:

            async def one(ecg_id: str, counts: list[int]) -> None:
                async with limit:
                    status, found = await self._answer(client, ecg_id, deadline)
                if status == httpx.codes.NOT_FOUND:
                    tally.lost += 1
                elif status != httpx.codes.OK:
                    tally.stuck += 1
                elif found != counts:
                    tally.wrong += 1

            await asyncio.gather(*(one(*entry) for entry in self.accepted.items()))
        return tally

    async def _answer(self, client: aiohttp.ClientSession, ecg_id: str, deadline: float) -> tuple[int, list[int]]:
        """Query until a 200 or the deadline; return the last status, and the counts of the 200."""
        status = 0
        for gateway in itertools.cycle(self.pipeline.gateways):
            try:
                async with client.get(f"{gateway.url}/ecgs/{ecg_id}/insights") as response:
                    status = response.status
                    if status == 200:
                        return status, [lead["number_of_zero_crossings"] for lead in (await response.json())["leads"]]
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        return status, []
