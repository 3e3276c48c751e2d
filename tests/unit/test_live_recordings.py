"""Recordings that are sent in chunks: the requests of the clients to a server with prepared answers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from ecg_client import (
    AsyncEcgClient,
    EcgClient,
    InvalidEcg,
    NotFound,
    StillProcessing,
    StreamProgress,
    Unavailable,
    UnexpectedAnswer,
    UnreadableRecording,
)
from ecg_client.outgoing import Outgoing, longest_chunk
from shared.ecg import Content
from shared.encoding import packed
from tests.support.canned_gateway import CannedGateway, canned_gateway

LEADS = {"I": 200.0, "V1": None}
FOUND: dict[str, Any] = {
    "id": "rec-1",
    "username": "clinic",
    "date": None,
    "accepted_at": "2026-11-24T10:00:00.123Z",
    "sampling_rate": 4.0,
    "number_of_samples": 40,
    "complete_until": 32,
    "final": False,
    "revision": 0,
    "gaps": [[8, 4]],
    "refused": {"number": 0, "latest": []},
    "leads": [
        {"name": "I", "adc_gain": 200.0, "number_of_zero_crossings": 3},
        {"name": "V1", "adc_gain": None, "number_of_zero_crossings": 0},
    ],
}


@pytest.fixture
def gateway() -> Iterator[CannedGateway]:
    with canned_gateway() as served:
        served.answer("POST /recordings", 201, {"id": "rec-1"})
        served.answer("POST /recordings/rec-1/chunks", 201, {"id": "rec-1", "first_sample": 0, "number_of_samples": 1})
        served.answer("POST /recordings/rec-1/end", 201, {"id": "rec-1", "number_of_samples": 1})
        served.answer("GET /recordings/rec-1/insights", 200, FOUND)
        yield served


@pytest.fixture
def client(gateway: CannedGateway) -> Iterator[EcgClient]:
    with EcgClient(gateway.url, "token", retry_for=5) as made:
        yield made


def chunks(gateway: CannedGateway) -> list[tuple[int, Content]]:
    """The chunks that were sent, each as its first sample and its content."""
    sent = zip(gateway.requests, gateway.bodies, strict=True)
    return [packed.decode_chunk_content(body) for call, body in sent if call.endswith("/chunks")]


def whole(gateway: CannedGateway) -> list[list[int]]:
    """The samples that were sent, each at its place."""
    leads: list[list[int]] = [[], []]
    for first, content in chunks(gateway):
        assert all(first == len(samples) for samples in leads)
        for samples, lead in zip(leads, content.leads, strict=True):
            samples.extend(lead.signal.tolist())
    return leads


def test_a_recording_is_begun_sent_and_ended(gateway: CannedGateway, client: EcgClient) -> None:
    recording = client.recordings.begin(LEADS, 4, date="2026-11-24", label="night")
    assert (recording.id, recording.next_sample) == ("rec-1", 0)
    assert recording.send(np.array([[1, 2, 3], [-1, -2, -3]])) == 3
    assert recording.send([[4], [0]], missing=[(), [(0, 1)]]) == recording.next_sample == 4
    recording.end()
    calls = ["", "/rec-1/chunks", "/rec-1/chunks", "/rec-1/end"]
    assert gateway.requests == [f"POST /recordings{call}" for call in calls]
    described: dict[str, Any] = {"sampling_rate": 4.0, "date": "2026-11-24", "label": "night"}
    leads = [{"name": "I", "adc_gain": 200.0}, {"name": "V1"}]
    assert [orjson.loads(gateway.bodies[i]) for i in (0, -1)] == [
        {"leads": leads} | described,
        {"number_of_samples": 4},
    ]
    [(first, content), (second, last)] = chunks(gateway)
    assert (first, second, content.sampling_rate) == (0, 3, 4.0)
    assert [(lead.name, lead.adc_gain, lead.signal.tolist()) for lead in content.leads] == [
        ("I", 200.0, [1, 2, 3]),
        ("V1", None, [-1, -2, -3]),
    ]
    assert [lead.missing for lead in last.leads] == [(), ((0, 1),)]


def test_a_chunk_that_fails_is_sent_again_in_its_place(gateway: CannedGateway, client: EcgClient) -> None:
    recording = client.recordings.begin(LEADS, 4)
    gateway.answers["POST /recordings/rec-1/chunks"] = []
    gateway.answer("POST /recordings/rec-1/chunks", 503, {"detail": "Kafka does not answer"})
    gateway.answer("POST /recordings/rec-1/chunks", 422, {"detail": "leads: no", "field": "leads"})
    gateway.answer("POST /recordings/rec-1/chunks", 201, {})
    with pytest.raises(InvalidEcg, match="leads: no"):
        recording.send([[1], [2]])
    assert recording.next_sample == 0
    assert recording.send([[1], [2]]) == 1
    assert [first for first, _ in chunks(gateway)] == [0, 0, 0]


def test_a_chunk_for_an_earlier_place_does_not_move_the_next_one(client: EcgClient) -> None:
    recording = client.recordings.begin(LEADS, 4)
    recording.send([[1, 2, 3], [1, 2, 3]])
    assert recording.send([[1], [1]], 0) == 1
    assert recording.next_sample == 3


@pytest.mark.parametrize(
    ("signals", "kind", "problem"),
    [
        ([[1]], InvalidEcg, "leads: must be the 2 of the recording, not 1"),
        ([[1], [1, 2]], InvalidEcg, r"leads\[1\]\.signal: must be as long as that of the first lead, 1 samples, not 2"),
        (
            [[1], [0.5]],
            UnreadableRecording,
            "V1: must hold integers in ADC units: multiply fractions, and give the factor to millivolts to `begin`",
        ),
    ],
)
def test_a_chunk_of_other_leads_is_not_sent(
    gateway: CannedGateway, client: EcgClient, signals: Any, kind: type[Exception], problem: str
) -> None:
    recording = client.recordings.begin(LEADS, 4)
    with pytest.raises(kind, match=f"^{problem}"):
        recording.send(signals)
    assert chunks(gateway) == []


def test_a_gateway_without_recordings_is_named_as_the_reason(gateway: CannedGateway, client: EcgClient) -> None:
    gateway.answers["POST /recordings"] = [(404, {"detail": "Not Found"})]
    with pytest.raises(UnexpectedAnswer, match="the gateway is older than recordings in chunks, upgrade it"):
        client.recordings.begin(LEADS, 4)


def test_the_insights_say_what_has_come(client: EcgClient) -> None:
    found = client.recordings.insights("rec-1")
    assert found is not None
    assert [found.has(*samples) for samples in [(0, 8), (0, 9), (11, 1), (12, 20), (12, 21)]] == [
        *(True, False, False, True, False)
    ]
    assert [lead.number_of_zero_crossings for lead in found.as_insights.leads] == [3, 0]
    assert (found.beats, found.not_computed) == (None, {})


def test_the_insights_say_why_there_are_no_beats(gateway: CannedGateway, client: EcgClient) -> None:
    reasons = {"beats": "needs a sampling rate of at least 100 Hz"}
    gateway.answers["GET /recordings/rec-1/insights"] = [(200, FOUND | {"not_computed": reasons})]
    found = client.recordings.insights("rec-1")
    assert found is not None
    assert (found.beats, found.not_computed) == (None, reasons)


def test_a_recording_is_resumed_at_the_first_sample_that_is_not_known_to_have_come(
    gateway: CannedGateway, client: EcgClient
) -> None:
    recording = client.recordings.resume("rec-1")
    assert recording.next_sample == 8
    recording.send([[1], [2]])
    [(first, content)] = chunks(gateway)
    assert (first, [lead.adc_gain for lead in content.leads], content.sampling_rate) == (8, [200.0, None], 4.0)
    gateway.answers["GET /recordings/rec-1/insights"] = [(202, {"detail": "still"})]
    with pytest.raises(StillProcessing):
        client.recordings.resume("rec-1")


def test_waiting_ends_when_the_insights_are_final(gateway: CannedGateway, client: EcgClient) -> None:
    gateway.answers["GET /recordings/rec-1/insights"] = [(202, {}), (200, FOUND), (200, {**FOUND, "final": True})]
    assert client.recordings.wait_until_final("rec-1").final
    gateway.answers["GET /recordings/rec-1/insights"] = [(200, FOUND)]
    with pytest.raises(StillProcessing):
        client.recordings.wait_until_final("rec-1", 0)


async def waited(kind: str, gateway: CannedGateway) -> None:
    """Wait until a recording is final with one of the clients, with a timeout of 0 s."""
    if kind == "blocking":
        with EcgClient(gateway.url, "token") as client:
            await asyncio.to_thread(client.recordings.wait_until_final, "rec-1", 0)
    else:
        async with AsyncEcgClient(gateway.url, "token") as client:
            await client.recordings.wait_until_final("rec-1", 0)


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_waiting_in_vain_tells_what_was_refused(kind: str, gateway: CannedGateway) -> None:
    refused = {"number": 1, "latest": ["first_sample: must not be less than the number of samples so far, 40"]}
    gateway.answers["GET /recordings/rec-1/insights"] = [(200, FOUND | {"refused": refused})]
    with pytest.raises(InvalidEcg, match=r"^rec-1 has not ended; 1 message was refused: first_sample: must"):
        await waited(kind, gateway)
    gateway.answers["GET /recordings/rec-1/insights"] = [(200, FOUND)]
    with pytest.raises(StillProcessing, match=r"^no final insights of rec-1 within 0 s$"):
        await waited(kind, gateway)


BLOCKS = [np.arange(first, first + 3) * [[1], [-1]] for first in range(0, 30, 3)]


async def streamed(kind: str, gateway: CannedGateway, blocks: Any, **options: Any) -> list[StreamProgress]:
    """Stream blocks with one of the clients."""
    if kind == "blocking":

        def stream() -> list[StreamProgress]:
            with EcgClient(gateway.url, "token", retry_for=5) as client:
                return list(client.recordings.stream(blocks, LEADS, 4, **options))

        return await asyncio.to_thread(stream)
    async with AsyncEcgClient(gateway.url, "token", retry_for=5) as client:
        return [progress async for progress in client.recordings.stream(blocks, LEADS, 4, **options)]


KINDS = pytest.mark.parametrize("kind", ["blocking", "async"])


@KINDS
async def test_a_stream_sends_every_sample_once_and_in_order(kind: str, gateway: CannedGateway) -> None:
    progress = await streamed(kind, gateway, BLOCKS)
    assert whole(gateway) == [list(range(30)), [-sample for sample in range(30)]]
    assert (progress[0], progress[-1]) == (StreamProgress("rec-1", 0), StreamProgress("rec-1", 30, ended=True))
    assert [each.number_of_samples for each in progress] == sorted(each.number_of_samples for each in progress)
    assert (gateway.requests[-1], gateway.bodies[-1]) == ("POST /recordings/rec-1/end", b'{"number_of_samples":30}')


@KINDS
async def test_what_comes_while_a_chunk_is_sent_goes_in_the_next_one(kind: str, gateway: CannedGateway) -> None:
    arrived, held = threading.Event(), threading.Event()

    def hold(call: str) -> None:
        if call.endswith("/chunks"):
            arrived.set()
            held.wait()

    def source() -> Iterator[Any]:
        yield from BLOCKS[:2]
        arrived.wait()
        yield from BLOCKS[2:]
        held.set()

    async def asynchronous() -> AsyncIterator[Any]:
        blocks = source()
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            yield block

    gateway.before = hold
    await streamed(kind, gateway, source() if kind == "blocking" else asynchronous())
    assert [content.leads[0].signal.size for _, content in chunks(gateway)] == [6, 24]


@KINDS
async def test_a_chunk_is_sent_while_the_source_is_silent(kind: str, gateway: CannedGateway) -> None:
    arrived, complete, silent = (threading.Event() for _ in range(3))

    def count(call: str) -> None:
        if call.endswith("/chunks") and arrived.is_set():
            silent.set()
        elif call.endswith("/chunks"):
            arrived.set()
            # The next chunk is complete before this one is answered.
            complete.wait()

    def source() -> Iterator[Any]:
        yield BLOCKS[0]
        arrived.wait()
        yield BLOCKS[1]
        complete.set()
        silent.wait()
        yield from BLOCKS[2:]

    async def asynchronous() -> AsyncIterator[Any]:
        blocks = source()
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            yield block

    gateway.before = count
    await streamed(kind, gateway, source() if kind == "blocking" else asynchronous(), chunk_seconds=0.5)
    assert whole(gateway)[0] == list(range(30))


@KINDS
async def test_a_source_is_not_read_while_its_samples_have_no_room(kind: str, gateway: CannedGateway) -> None:
    ahead, answered = threading.Event(), threading.Event()

    def hold(call: str) -> None:
        if call.endswith("/chunks") and not answered.is_set():
            # Time enough to read all blocks, if they were read.
            ahead.wait(0.5)
            answered.set()

    def source() -> Iterator[Any]:
        for number, block in enumerate(BLOCKS):
            # Two are in the chunk that is sent, and the next two fill the buffer.
            if number > 3 and not answered.is_set():
                ahead.set()
            yield block

    gateway.before = hold
    await streamed(kind, gateway, source(), buffer_seconds=1)
    assert not ahead.is_set()
    assert whole(gateway)[0] == list(range(30))


@KINDS
async def test_a_block_may_be_longer_than_a_chunk_and_than_the_buffer(kind: str, gateway: CannedGateway) -> None:
    long = np.arange(1000) * [[1], [-1]]
    await streamed(kind, gateway, [long], buffer_seconds=10)
    assert whole(gateway)[0] == list(range(1000))
    assert max(content.leads[0].signal.size for _, content in chunks(gateway)) == 240


@KINDS
async def test_a_stream_goes_on_after_an_outage(kind: str, gateway: CannedGateway) -> None:
    gateway.answers["POST /recordings/rec-1/chunks"] = [(503, {"detail": "Kafka"}), (201, {})]
    progress = await streamed(kind, gateway, BLOCKS)
    assert progress[-1] == StreamProgress("rec-1", 30, ended=True)


@KINDS
async def test_what_came_before_an_error_of_the_source_is_sent(kind: str, gateway: CannedGateway) -> None:
    def source() -> Iterator[Any]:
        yield from BLOCKS[:3]
        raise OSError("unplugged")

    for blocks, error in ((source(), OSError), ([*BLOCKS[:3], [[1]]], InvalidEcg)):
        gateway.bodies.clear()
        gateway.requests.clear()
        with pytest.raises(error):
            await streamed(kind, gateway, blocks)
        assert whole(gateway)[0] == list(range(9))
        assert not any(call.endswith("/end") for call in gateway.requests)


@KINDS
async def test_a_chunk_that_is_refused_ends_the_stream(kind: str, gateway: CannedGateway) -> None:
    gateway.answers["POST /recordings/rec-1/chunks"] = [(404, {"detail": "Recording not found for id rec-1"})]
    with pytest.raises(NotFound):
        await streamed(kind, gateway, BLOCKS)
    assert not any(call.endswith("/end") for call in gateway.requests)


async def test_an_asynchronous_source_is_read_too(gateway: CannedGateway) -> None:
    async def source() -> AsyncIterator[Any]:
        for block in BLOCKS:
            await asyncio.sleep(0)
            yield block

    progress = await streamed("async", gateway, source())
    assert progress[-1].number_of_samples == 30
    assert whole(gateway)[0] == list(range(30))


async def test_a_stream_that_cannot_begin_says_so(gateway: CannedGateway) -> None:
    gateway.answers["POST /recordings"] = [(503, {"detail": "Kafka does not answer"})]
    async with AsyncEcgClient(gateway.url, "token", retry_for=0) as client:
        with pytest.raises(Unavailable, match="Kafka does not answer"):
            await anext(client.recordings.stream(BLOCKS, LEADS, 4))


@pytest.mark.parametrize("read", [1, 2])
def test_no_thread_is_left_by_a_stream_that_is_not_read_to_its_end(
    gateway: CannedGateway, client: EcgClient, read: int
) -> None:
    """The interpreter would wait for the thread when it exits."""
    before = set(threading.enumerate())
    progress = client.recordings.stream(BLOCKS, LEADS, 4, chunk_seconds=1)
    for _ in range(read):
        next(progress)
    left = {thread for thread in threading.enumerate() if thread.name.startswith("recording")} - before
    assert left
    progress.close()
    for thread in left:
        thread.join(10)
        assert not thread.is_alive()


def test_a_block_is_copied_because_sources_reuse_their_arrays() -> None:
    outgoing, block = Outgoing(["I"], 4, 4, 8), np.array([[1, 2]])
    outgoing.add(block)
    block[:] = 0
    outgoing.add(block)
    assert [signal.tolist() for signal in outgoing.take()] == [[1, 2, 0, 0]]
    assert outgoing.waiting == 0


def test_a_chunk_has_a_minute_at_most_and_fits_into_a_message() -> None:
    assert longest_chunk(500, 12) == 30_000
    assert longest_chunk(32_000, 64) * 64 * 8 <= 8 << 20
    assert longest_chunk(0.001, 1) == 1
