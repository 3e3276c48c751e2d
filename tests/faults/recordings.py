"""Sends recordings in chunks while processes fail, and checks later that each is complete and correct."""

import asyncio
import functools
import itertools
import random
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import httpx
import numpy as np
import orjson
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from shared.ecg import Content, Lead
from shared.encoding import packed
from shared.kafka.topics import Topics
from tests.faults.sending import answer, new_client, new_producer, new_query_client, post, produce
from tests.support.ecgs import crossings
from tests.support.heartbeats import digitised, signals
from tests.support.pipeline import Pipeline
from tests.support.single_pass import Beats, beats

_NUMBER: Final = 4
# Chunks per second of each recording. A chunk has more than a second of samples, so that a trial has several minutes.
_RATE: Final = 1.0
CHUNKS_PER_SECOND: Final = _NUMBER * _RATE
"""Messages per second of all recordings together."""
CHUNK_SAMPLES: Final = 500
SAMPLING_RATE: Final = 125.0
_NAMES, _GAIN = ("II", "V1"), 1000.0
# Chunks are shuffled within windows of this many, and some of them are sent twice.
_WINDOW, _TWICE = 6, 2
_SECONDS: Final = 300.0
_ANSWER_TIMEOUT = 90.0
_PAGE: Final = 50_000
_IN_FLIGHT: Final = 32

Samples = NDArray[np.int16]


@dataclass
class RecordingTally:
    """The outcomes of a trial's recordings, with the problems of each that failed."""

    recordings: int = 0
    lost: int = 0
    wrong: int = 0
    incomplete: int = 0
    details: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.lost}, {self.wrong}, {self.incomplete} of {self.recordings}"


@dataclass
class Recording:
    """A recording of two leads, and the number of samples of each that have been sent."""

    number: int
    id: str
    is_direct: bool
    total: int = 0

    def samples(self, first: int, stop: int) -> Samples:
        """Return samples `first` to before `stop` of all leads, shape (2, n)."""
        # Each recording begins at another place of the same rhythm.
        return np.take(_heart(), np.arange(first, stop) + 1111 * self.number, axis=1, mode="wrap")

    def leads(self, first: int, stop: int) -> tuple[Lead, ...]:
        """Return the same samples as leads."""
        return tuple(Lead(name, signal, _GAIN) for name, signal in zip(_NAMES, self.samples(first, stop), strict=True))


@dataclass
class Recordings:
    """Sends recordings in disorder, with repeats and overlaps, over HTTP with retries and directly onto the topic."""

    pipeline: Pipeline
    token: str
    username: str
    sent: list[Recording] = field(default_factory=list)
    # Answers to submissions other than 201 and 503, by status.
    unexpected: Counter[int] = field(default_factory=Counter)
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def ids(self) -> list[str]:
        """The ids of the recordings."""
        return [recording.id for recording in self.sent]

    async def begin(self) -> None:
        """Begin the recordings: half with an announcement over HTTP, half with their second chunk on the topic."""
        async with new_producer(self.pipeline) as producer, new_client(self.token) as client:
            for number in range(_NUMBER):
                name = f"{self.username}-recording-{number}"
                if number % 2:
                    recording_id = str(uuid.UUID(int=random.Random(name).getrandbits(128), version=4))
                    recording = Recording(number, recording_id, is_direct=True)
                    await self._chunk(producer, client, recording, CHUNK_SAMPLES, 2 * CHUNK_SAMPLES)
                else:
                    leads = [{"name": name, "adc_gain": _GAIN} for name in _NAMES]
                    body = {"leads": leads, "sampling_rate": SAMPLING_RATE}
                    response = await self._post(client, "/recordings", json=body, headers={"idempotency-key": name})
                    recording = Recording(number, response.json()["id"], is_direct=False)
                self.sent.append(recording)

    async def send(self, over: asyncio.Event) -> None:
        """Send chunks at a steady rate until `over`, then the missing chunks between them, and the ends."""
        limit = asyncio.Semaphore(_IN_FLIGHT)
        async with (
            new_producer(self.pipeline) as producer,
            new_client(self.token) as client,
            asyncio.TaskGroup() as recordings,
        ):
            for recording in self.sent:
                recordings.create_task(self._send(producer, client, recording, over, limit))

    async def check(self) -> RecordingTally:
        """Query every recording, and count those that are lost, wrong or incomplete."""
        tally = RecordingTally(len(self.sent))
        deadline = time.monotonic() + _ANSWER_TIMEOUT
        async with new_query_client(self.token) as client:
            for recording in self.sent:
                path = f"/recordings/{recording.id}"
                status, insights = await answer(client, self.pipeline, f"{path}/insights", deadline)
                if status != httpx.codes.OK:
                    tally.lost += status == httpx.codes.NOT_FOUND
                    tally.incomplete += status != httpx.codes.NOT_FOUND
                    tally.details.append(f"recording {recording.id}: {status}")
                    continue
                if lacking := incomplete(insights, recording.total):
                    tally.incomplete += 1
                    tally.details.append(f"recording {recording.id} is incomplete: {lacking}")
                minutes = await self._minutes(client, path, deadline)
                samples = await self._samples(client, path, recording.total, deadline)
                if faults := await asyncio.to_thread(wrong, recording, insights, minutes, samples):
                    tally.wrong += 1
                    tally.details.append(f"recording {recording.id} has other {', '.join(faults)}")
        return tally

    async def _send(
        self,
        producer: AIOKafkaProducer,
        client: httpx.AsyncClient,
        recording: Recording,
        over: asyncio.Event,
        limit: asyncio.Semaphore,
    ) -> None:
        rng = random.Random(f"{self.username}-{recording.number}")
        start, sent = time.monotonic(), itertools.count(1)

        async def one(first: int, stop: int) -> None:
            async with limit:
                await self._chunk(producer, client, recording, first, stop)

        async with asyncio.TaskGroup() as sending:
            while not over.is_set():
                for piece in _window(rng, recording.total):
                    sending.create_task(one(*piece))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(over.wait(), start + next(sent) / _RATE - time.monotonic())
                recording.total += _WINDOW * CHUNK_SAMPLES
        # After all chunks: one that arrives after the end gives the recording a new revision.
        if recording.is_direct:
            await self._produce(producer, recording, recording.total, end=True)
        else:
            await self._post(client, f"/recordings/{recording.id}/end", json={"number_of_samples": recording.total})

    async def _chunk(
        self, producer: AIOKafkaProducer, client: httpx.AsyncClient, recording: Recording, first: int, stop: int
    ) -> None:
        leads = recording.leads(first, stop)
        # Any producer may send chunks of a recording that was begun over HTTP.
        if recording.is_direct or next(self._turns) % 2:
            fields = [{"name": lead.name, "adc_gain": lead.adc_gain, "signal": lead.signal.tolist()} for lead in leads]
            await self._produce(producer, recording, first, leads=fields, sampling_rate=SAMPLING_RATE)
        else:
            body = packed.encode_chunk_content(Content(None, leads, SAMPLING_RATE), first)
            headers = {"content-type": packed.CONTENT_TYPE}
            await self._post(client, f"/recordings/{recording.id}/chunks", content=body, headers=headers)

    async def _produce(
        self, producer: AIOKafkaProducer, recording: Recording, first_sample: int, **fields: Any
    ) -> None:
        topic = Topics(self.pipeline.settings).chunks.name
        message = {"recording_id": recording.id, "username": self.username, "first_sample": first_sample, **fields}
        await produce(producer, topic, recording.id, orjson.dumps(message))

    async def _post(self, client: httpx.AsyncClient, path: str, **request: Any) -> httpx.Response:
        return await post(client, self.pipeline, next(self._turns), path, self.unexpected, **request)

    async def _minutes(self, client: aiohttp.ClientSession, path: str, deadline: float) -> list[dict[str, Any]]:
        """Return all minutes of a recording, or those before a page that was not answered."""
        minutes: list[dict[str, Any]] = []
        following: int | None = 0
        while following is not None:
            _, page = await answer(client, self.pipeline, f"{path}/minutes?from={following}", deadline)
            if page is None:
                break
            minutes += page["minutes"]
            following = page["next"]
        return minutes

    async def _samples(self, client: aiohttp.ClientSession, path: str, total: int, deadline: float) -> Samples:
        """Return all samples of a recording, shape (2, n), or those before a page that was not answered."""
        pages = [np.empty((len(_NAMES), 0), np.int16)]
        for first in range(0, total, _PAGE):
            _, page = await answer(client, self.pipeline, f"{path}/signals?from={first}&to={first + _PAGE}", deadline)
            if page is None:
                break
            pages.append(np.array([lead["signal"] for lead in page["leads"]], np.int16))
        return np.concatenate(pages, axis=1)


def incomplete(insights: dict[str, Any], total: int) -> str:
    """Return the fields of the insights that differ from those of a complete recording of `total` samples."""
    complete = {
        "final": True,
        "number_of_samples": total,
        "complete_until": total,
        "gaps": [],
        "revision": 0,
        "refused": {"number": 0, "latest": []},
    }
    return ", ".join(f"{name} {insights[name]}" for name, value in complete.items() if insights[name] != value)


def wrong(recording: Recording, insights: dict[str, Any], minutes: list[dict[str, Any]], samples: Samples) -> list[str]:
    """Return the names of the parts that differ from the samples that were sent, or from a single pass over them.

    Args:
        recording: the recording that was sent.
        insights: its insights, as its owner reads them.
        minutes: its minutes, as its owner reads them.
        samples: its samples, as its owner reads them, shape (2, n).
    """
    leads = recording.leads(0, recording.total)
    same = {
        "zero crossings": [lead["number_of_zero_crossings"] for lead in insights["leads"]]
        == [crossings(lead.signal.tolist()) for lead in leads],
        "beats": Beats(insights["beats"], minutes) == beats(leads, SAMPLING_RATE),
        "samples": np.array_equal(samples, recording.samples(0, recording.total)),
    }
    return [name for name, is_same in same.items() if not is_same]


def _window(rng: random.Random, begin: int) -> list[tuple[int, int]]:
    """Return the chunks from sample `begin` on in a random order, each as its first sample and its end."""
    pieces = []
    for number in range(_WINDOW):
        first = begin + number * CHUNK_SAMPLES
        overlap = rng.choice((0, 0, rng.randint(1, CHUNK_SAMPLES)))
        pieces.append((max(0, first - overlap), first + CHUNK_SAMPLES))
    pieces += rng.sample(pieces, _TWICE)
    rng.shuffle(pieces)
    return pieces


@functools.cache
def _heart() -> Samples:
    """Return the samples of some minutes of irregular beats, shape (2, n), in 1/1000 mV."""
    rng = np.random.default_rng(0)
    onsets = np.cumsum(rng.uniform(0.45, 1.2, int(_SECONDS / 0.8)))
    values = signals(onsets[onsets < _SECONDS - 1], SAMPLING_RATE, _SECONDS, noise_mv=0.02)[[1, 6]]
    return np.array(digitised(values, _GAIN), np.int16)
