"""A client that records every accepted ECG, and later checks each of them."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx
import orjson
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from tests.faults.sending import answer, new_client, new_producer, new_query_client, post, produce
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
        async with new_producer(self.pipeline) as producer, new_client(self.token) as client:

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

    def _ecg(self, number: int) -> tuple[list[dict[str, object]], list[int]]:
        rng = random.Random(f"{self.username}-{number}")
        signals = [[rng.randint(-9, 9) for _ in range(60)] for _ in range(3)]
        leads: list[dict[str, object]] = [{"name": f"L{i}", "signal": signal} for i, signal in enumerate(signals)]
        return leads, [crossings(signal) for signal in signals]

    async def _over_http(self, client: httpx.AsyncClient, number: int) -> None:
        leads, counts = self._ecg(number)
        headers = {"idempotency-key": f"{self.username}-{number}"}
        body = {"leads": leads}
        response = await post(client, self.pipeline, number // 2, "/ecgs", self.unexpected, json=body, headers=headers)
        ecg_id = response.json()["id"]
        self.accepted[ecg_id] = counts
        self.on_accepted(ecg_id)

    async def _directly(self, producer: AIOKafkaProducer, topic: str, number: int) -> None:
        leads, counts = self._ecg(number)
        ecg_id = str(uuid.UUID(int=random.Random(f"id-{self.username}-{number}").getrandbits(128), version=4))
        value = orjson.dumps({"id": ecg_id, "username": self.username, "leads": leads})
        await produce(producer, topic, ecg_id, value)
        self.accepted[ecg_id] = counts

    async def check(self) -> Tally:
        """Query every accepted ECG, and count those that are lost, wrong or stuck."""
        tally = Tally()
        limit, deadline = asyncio.Semaphore(_CONNECTIONS), time.monotonic() + _ANSWER_TIMEOUT
        async with new_query_client(self.token) as client:

            async def one(ecg_id: str, counts: list[int]) -> None:
                async with limit:
                    status, insights = await answer(client, self.pipeline, f"/ecgs/{ecg_id}/insights", deadline)
                if status == httpx.codes.NOT_FOUND:
                    tally.lost += 1
                elif status != httpx.codes.OK:
                    tally.stuck += 1
                elif [lead["number_of_zero_crossings"] for lead in insights["leads"]] != counts:
                    tally.wrong += 1

            await asyncio.gather(*(one(*entry) for entry in self.accepted.items()))
        return tally
