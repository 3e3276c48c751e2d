"""The load of live recordings, a process of its own: every second, each of them sends a chunk of one second.

They send over HTTP through a gateway, or straight onto Kafka. The chunks of all recordings are spread evenly over the
second. The recordings begin evenly over the first seconds, so that their segments, at whose ends beats are searched, do
not all end in the same second.
"""

import asyncio
import contextlib
import sys
import time
from functools import partial

import msgspec
import uvloop
from confluent_kafka import Producer
from typing_extensions import override

from benchmarks.ecgs import SAMPLING_RATE, USERNAME, seconds
from benchmarks.load import Accepted, Load, Pace, Result, build_post
from shared.chunk import Chunk
from shared.ecg import Content
from shared.encoding import packed

BEGINNING = 10
"""Seconds over which the recordings begin."""

_SAMPLES = int(SAMPLING_RATE)
# Seconds between looks at the broker's acknowledgements.
_POLL = 0.002
_CREATED, _FAILED = 201, 503


class LiveSpec(Pace, kw_only=True):
    """A run with the ids of recordings; with the broker's servers, chunks go straight onto the topic."""

    ids: list[str]
    token: str
    topic: str
    servers: str | None = None


def turn(number: int, recordings: int) -> tuple[int, int] | None:
    """Return the recording of the nth chunk of the load, and the chunk's number in it; None if it has not begun."""
    second, recording = divmod(number, recordings)
    chunk = second - recording % BEGINNING
    return (recording, chunk) if chunk >= 0 else None


class LiveLoad(Load):
    """Sends chunks through a gateway."""

    def __init__(self, spec: LiveSpec) -> None:
        super().__init__(spec, [])
        self._live = spec
        self._turns = 0
        self._contents = [Content(None, leads, SAMPLING_RATE) for leads in seconds()]

    @override
    def _send_next(self, due: float) -> None:
        taken = turn(self._turns, len(self._live.ids))
        self._turns += 1
        if taken is not None:
            recording, chunk = taken
            self._sent += 1
            self._send_chunk(self._live.ids[recording], chunk, due)

    def _send_chunk(self, recording_id: str, chunk: int, due: float) -> None:
        body = packed.encode_chunk_content(self._contents[chunk % len(self._contents)], chunk * _SAMPLES)
        path = f"/recordings/{recording_id}/chunks"
        self._dispatch(build_post(path, self._live.token, body, packed.CONTENT_TYPE), due, None)


class KafkaLoad(LiveLoad):
    """Sends chunks straight onto Kafka; the broker's acknowledgement counts as a 201."""

    def __init__(self, spec: LiveSpec) -> None:
        super().__init__(spec)
        # As if each device sent its own chunk: none waits for another.
        self._producer = Producer(
            {"bootstrap.servers": spec.servers, "partitioner": "murmur2_random", "linger.ms": 0, "acks": "all"}
        )
        self._dues: dict[Accepted, float] = {}

    @override
    async def run(self) -> Result:
        polling = asyncio.create_task(self._poll_producer())
        try:
            return await super().run()
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling

    async def _poll_producer(self) -> None:
        while True:
            self._producer.poll(0)
            await asyncio.sleep(_POLL)

    @override
    def _unanswered(self) -> list[float]:
        return list(self._dues.values())

    @override
    def _send_chunk(self, recording_id: str, chunk: int, due: float) -> None:
        content = self._contents[chunk % len(self._contents)]
        sent = Accepted(recording_id, chunk * _SAMPLES, _SAMPLES)
        self._dues[sent] = due
        self._producer.produce(
            self._live.topic,
            packed.encode_chunk(Chunk.begun(recording_id, USERNAME, content, sent.first_sample)),
            recording_id,
            headers=[("content-type", packed.CONTENT_TYPE.encode())],
            callback=partial(self._delivered, sent),
        )

    def _delivered(self, sent: Accepted, error: object, _: object) -> None:
        due = self._dues.pop(sent)
        self._acknowledged(_CREATED if error is None else _FAILED, due, time.monotonic(), lambda: sent)


async def _run(spec: LiveSpec) -> Result:
    return await (LiveLoad if spec.servers is None else KafkaLoad)(spec).run()


def main() -> None:
    """Run the spec from standard input."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=LiveSpec)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_run(spec))))


if __name__ == "__main__":
    main()
