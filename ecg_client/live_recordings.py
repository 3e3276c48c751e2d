"""Recordings that arrive in chunks, for both clients."""

import asyncio
import time
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from threading import Condition
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ecg_client import recording_calls as calls
from ecg_client.errors import InvalidEcg, NotFound, StillProcessing
from ecg_client.outgoing import Outgoing, longest_chunk, rows
from ecg_client.recording_results import (
    RecordingInsights,
    RecordingSignals,
    RecordingSummary,
)
from ecg_client.recordings import Recording
from ecg_client.requests import Call, Submission
from ecg_client.waiting import Waiting
from shared.ecg import Content, Lead

T = TypeVar("T")

Leads = Mapping[str, float | None] | Iterable[tuple[str, float | None]]
"""The leads of a recording in order: their names, and their ADC units per millivolt, or None if they are unknown."""

Block = ArrayLike | Sequence[ArrayLike]
"""Samples of all leads in ADC units: an array of shape (leads, n), or an array of shape (n,) for each lead."""

Missing = Sequence[tuple[int, int]]
"""Ranges of a lead's samples that were not recorded, `(first, count)` each."""

_LARGEST_PAGE = 200
_CHUNK_SECONDS, _BUFFER_SECONDS = 1.0, 600.0


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """The progress of a live source: its samples before `number_of_samples` are durable."""

    recording_id: str
    number_of_samples: int
    ended: bool = False


class _Send(Protocol):
    def __call__(self, call: Call[T], /) -> T: ...


class _AsyncSend(Protocol):
    def __call__(self, call: Call[T], /) -> Awaitable[T]: ...


class _Handle:
    """A recording that is being sent: its id, its next sample, and an outline with its leads, date, rate and label."""

    def __init__(self, recording_id: str, outline: Recording, token: str, next_sample: int = 0) -> None:
        self.id = recording_id
        self.next_sample = next_sample
        self.outline = outline
        self._token = token

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, next_sample={self.next_sample})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the leads."""
        return tuple(lead.name for lead in self.outline.leads)

    @property
    def sampling_rate(self) -> float:
        """Samples per second."""
        return self.outline.sampling_rate or 0.0

    def _chunk(self, signals: Block, first_sample: int | None, missing: Sequence[Missing]) -> tuple[Call[None], int]:
        """Return the call that sends a chunk, and the index of the sample after the chunk."""
        leads = self.outline.leads
        gaps = missing or [()] * len(leads)
        own = tuple(
            Lead(lead.name, signal, lead.adc_gain, tuple(ranges))
            for lead, signal, ranges in zip(leads, rows(signals, self.names), gaps, strict=True)
        )
        first = self.next_sample if first_sample is None else first_sample
        content = Content(None, own, self.outline.sampling_rate)
        return calls.send(self.id, content, first, self._token), first + own[0].signal.size

    def _outgoing(self, chunk_seconds: float, buffer_seconds: float) -> Outgoing:
        longest = longest_chunk(self.sampling_rate, len(self.names))
        chunk = min(max(1, round(self.sampling_rate * chunk_seconds)), longest)
        return Outgoing(self.names, chunk, longest, max(chunk, round(self.sampling_rate * buffer_seconds)))


class LiveRecording(_Handle):
    """A recording that is being sent through an `EcgClient`: what `client.recordings.begin` returns."""

    def __init__(self, send: _Send, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._send = send

    def send(self, signals: Block, first_sample: int | None = None, missing: Sequence[Missing] = ()) -> int:
        """Send a chunk, and return the index of the sample after it once the chunk is durable.

        Sending the same chunk again changes nothing, so a chunk whose call has failed can be sent again.

        Args:
            signals: samples of all leads in ADC units: shape (leads, n), or an array of shape (n,) for each lead.
            first_sample: the index of the chunk's first sample in the recording; by default, the one after the last
                sample that was sent.
            missing: for each lead, the ranges of samples in this chunk that were not recorded, `(first, count)` each;
                their samples must be 0.

        Raises:
            InvalidEcg: if the chunk does not have the leads of this recording, or breaks a limit.
            UnreadableRecording: if a sample is not an integer of 64 bits.
            NotFound: if there is no such recording of this user any more.
        """
        call, after = self._chunk(signals, first_sample, missing)
        self._send(call)
        self.next_sample = max(self.next_sample, after)
        return after

    def end(self, number_of_samples: int | None = None) -> None:
        """End the recording after this number of samples; by default, after the last sample that was sent.

        Samples that have not arrived become gaps. If they arrive later, they are still used.
        """
        self._send(
            calls.end(self.id, self.next_sample if number_of_samples is None else number_of_samples, self._token)
        )

    def insights(self) -> RecordingInsights | None:
        """Return the insights so far, or None before the beginning of the recording is processed."""
        return self._send(calls.insights(self.id, self._token))

    def stream(
        self, blocks: Iterable[Block], *, chunk_seconds: float = _CHUNK_SECONDS, buffer_seconds: float = _BUFFER_SECONDS
    ) -> Generator[StreamProgress]:
        """Send the blocks of a live source as they arrive, yield the progress, and end the recording after the last.

        The source is read only while the progress is read. Another thread sends the chunks one after the other; blocks
        that arrive meanwhile, for example in an outage, are sent in the next chunks. If the source raises an error, or
        a block is invalid, the blocks before it are sent, and the error is raised; the recording is not ended then.

        Args:
            blocks: samples of all leads in ADC units, as in `send`; each block may have any length.
            chunk_seconds: the length of a chunk. After an outage, chunks are longer, up to a minute.
            buffer_seconds: the length of the samples that may wait to be sent. While the buffer is full, the source is
                not read.

        Raises:
            Unavailable: if the gateway does not accept a chunk in time: samples that were not sent are lost.
            InvalidEcg, UnreadableRecording: if a block has other leads, or samples that are not integers.
        """
        outgoing = self._outgoing(chunk_seconds, buffer_seconds)
        changed = Condition()
        source = iter(blocks)
        failure: Exception | None = None
        sender = ThreadPoolExecutor(1, "recording")
        sending = sender.submit(self._send_all, outgoing, changed)
        try:
            yield StreamProgress(self.id, self.next_sample)
            while failure is None and not outgoing.stopped:
                with changed:
                    changed.wait_for(lambda: outgoing.has_room)
                try:
                    block = next(source)
                    with changed:
                        outgoing.add(block)
                        changed.notify_all()
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                if outgoing.told_news():
                    yield StreamProgress(self.id, self.next_sample)
            with changed:
                outgoing.closed = True
                changed.notify_all()
            while not outgoing.stopped:
                with changed:
                    changed.wait_for(lambda: outgoing.stopped or outgoing.news)
                if outgoing.told_news():
                    yield StreamProgress(self.id, self.next_sample)
            sending.result()
        finally:
            # Without waiting for the chunk under way: in an outage, that would delay an interrupt.
            with changed:
                outgoing.drop()
                changed.notify_all()
            sender.shutdown(wait=False)
        if failure is not None:
            raise failure
        self.end()
        yield StreamProgress(self.id, self.next_sample, ended=True)

    def _send_all(self, outgoing: Outgoing, changed: Condition) -> None:
        """Send each chunk as soon as it is complete, until the source has ended."""
        try:
            while True:
                with changed:
                    changed.notify_all()
                    changed.wait_for(lambda: outgoing.is_ready or outgoing.closed)
                    if not outgoing.is_ready:
                        return
                    chunk = outgoing.take()
                    changed.notify_all()
                self.send(chunk)
                outgoing.news = True
        finally:
            with changed:
                outgoing.stopped = True
                changed.notify_all()


class AsyncLiveRecording(_Handle):
    """`LiveRecording` for asyncio."""

    def __init__(self, send: _AsyncSend, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._send = send

    async def send(self, signals: Block, first_sample: int | None = None, missing: Sequence[Missing] = ()) -> int:
        """See `LiveRecording.send`."""
        call, after = self._chunk(signals, first_sample, missing)
        await self._send(call)
        self.next_sample = max(self.next_sample, after)
        return after

    async def end(self, number_of_samples: int | None = None) -> None:
        """See `LiveRecording.end`."""
        total = self.next_sample if number_of_samples is None else number_of_samples
        await self._send(calls.end(self.id, total, self._token))

    async def insights(self) -> RecordingInsights | None:
        """See `LiveRecording.insights`."""
        return await self._send(calls.insights(self.id, self._token))

    async def stream(
        self,
        blocks: Iterable[Block] | AsyncIterable[Block],
        *,
        chunk_seconds: float = _CHUNK_SECONDS,
        buffer_seconds: float = _BUFFER_SECONDS,
    ) -> AsyncGenerator[StreamProgress]:
        """See `LiveRecording.stream`; chunks are sent by a task."""
        outgoing = self._outgoing(chunk_seconds, buffer_seconds)
        changed = asyncio.Condition()
        failure: Exception | None = None
        sending = asyncio.create_task(self._send_all(outgoing, changed))
        try:
            yield StreamProgress(self.id, self.next_sample)
            async with aclosing(_each(blocks)) as source:
                while failure is None and not outgoing.stopped:
                    async with changed:
                        await changed.wait_for(lambda: outgoing.has_room)
                    try:
                        block = await anext(source)
                        async with changed:
                            outgoing.add(block)
                            changed.notify_all()
                    except StopAsyncIteration:
                        break
                    except Exception as error:
                        failure = error
                    if outgoing.told_news():
                        yield StreamProgress(self.id, self.next_sample)
            async with changed:
                outgoing.closed = True
                changed.notify_all()
            while not outgoing.stopped:
                async with changed:
                    await changed.wait_for(lambda: outgoing.stopped or outgoing.news)
                if outgoing.told_news():
                    yield StreamProgress(self.id, self.next_sample)
            await sending
        finally:
            sending.cancel()
        if failure is not None:
            raise failure
        await self.end()
        yield StreamProgress(self.id, self.next_sample, ended=True)

    async def _send_all(self, outgoing: Outgoing, changed: asyncio.Condition) -> None:
        """See `LiveRecording._send_all`."""
        try:
            while True:
                async with changed:
                    changed.notify_all()
                    await changed.wait_for(lambda: outgoing.is_ready or outgoing.closed)
                    if not outgoing.is_ready:
                        return
                    chunk = outgoing.take()
                    changed.notify_all()
                await self.send(chunk)
                outgoing.news = True
        finally:
            outgoing.stopped = True
            async with changed:
                changed.notify_all()


class Recordings:
    """The calls of an `EcgClient` about recordings, which arrive in chunks: `client.recordings`."""

    def __init__(self, send: _Send, token: str) -> None:
        self._send = send
        self._token = token

    def begin(
        self,
        leads: Leads,
        sampling_rate: float,
        *,
        date: str | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
    ) -> LiveRecording:
        """Begin a recording, whose samples are sent in chunks, and return it once its announcement is durable.

        Args:
            leads: the names of the leads in order, each with its ADC units per millivolt, or None if they are unknown,
                as a mapping such as `{"I": 200, "V1": None}` or as pairs.
            sampling_rate: samples per second, Hz.
            date: the time at which the recording began, in ISO 8601.
            label: the name of the recording in its owner's list.
            idempotency_key: 1 to 255 visible ASCII characters. The same key, leads, rate and date make the same
                recording. By default, each call uses a new key.

        Raises:
            InvalidEcg: if it breaks the schema or a limit.
        """
        outline = _outline(leads, sampling_rate, date, label, idempotency_key)
        return LiveRecording(self._send, self._send(calls.begin(outline, self._token)), outline.recording, self._token)

    def resume(self, recording_id: str) -> LiveRecording:
        """Return a recording that was begun before; its `next_sample` is the first that is not known to have arrived.

        Raises:
            NotFound: if there is no such recording of this user.
            StillProcessing: if its announcement is not processed yet.
        """
        found = _known(recording_id, self.insights(recording_id))
        return LiveRecording(self._send, recording_id, _outline_of(found), self._token, found.next_sample)

    def stream(
        self,
        blocks: Iterable[Block],
        leads: Leads,
        sampling_rate: float,
        *,
        date: str | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
        chunk_seconds: float = _CHUNK_SECONDS,
        buffer_seconds: float = _BUFFER_SECONDS,
    ) -> Generator[StreamProgress]:
        """Begin a recording and send the blocks of a live source: see `begin` and `LiveRecording.stream`."""
        recording = self.begin(leads, sampling_rate, date=date, label=label, idempotency_key=idempotency_key)
        yield from recording.stream(blocks, chunk_seconds=chunk_seconds, buffer_seconds=buffer_seconds)

    def insights(self, recording_id: str) -> RecordingInsights | None:
        """Return a recording's insights so far, or None before its beginning is processed.

        Raises:
            NotFound: if there is no such recording of this user.
        """
        return self._send(calls.insights(recording_id, self._token))

    def wait_until_final(
        self, recording_id: str, timeout: float = 30.0, *, submitted: bool = False
    ) -> RecordingInsights:
        """Return a recording's insights once its end is processed.

        With `submitted`, which says that it was sent just before, this also waits for a recording that was erased and
        is sent again.

        Raises:
            StillProcessing: if that takes longer than `timeout` seconds.
            InvalidEcg: if it has not ended by then, and messages of it were refused: its end may be one of them.
            NotFound: if this user has no such recording.
        """
        waiting = _waiting_for_end(recording_id, timeout, submitted)
        while True:
            try:
                found = self._send(waiting.call(self._token))
            except NotFound as error:
                waiting.unknown(error)
            else:
                if found is not None and found.final:
                    return found
                _not_ended(waiting, found)
            time.sleep(waiting.pause())

    def minutes(self, recording_id: str, first: int = 0, end: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the beats and rates of each minute from `first` to before `end`, or to the last one, page by page.

        Each is a dict: `minute` (its number, from 0), `beats` (sample indices in the recording), `number_of_beats`,
        `mean_rate`, `least_rate` and `most_rate` (beats per minute), and `longest_pause`, a dict with `first_sample`
        and `seconds`. Rates and the pause are None where there are none.

        Raises:
            NotFound: if there is no such recording of this user.
        """
        after: int | None = first
        while after is not None:
            page = self._send(calls.minutes(recording_id, after, end, self._token))
            yield from page.minutes
            after = page.next

    def signals(self, recording_id: str, first: int = 0, end: int | None = None) -> RecordingSignals | None:
        """Return the samples from `first` to before `end`; by default, as many as an answer may have.

        Samples that have not arrived are 0, and in `missing`. Returns None before the first message is processed.

        Raises:
            NotFound: if there is no such recording of this user.
            Gone: if they are no longer kept.
            InvalidEcg: if the range is invalid, or longer than an answer may be.
        """
        return self._send(calls.signals(recording_id, first, end, self._token))

    def list(self, label: str | None = None) -> Iterator[RecordingSummary]:
        """Yield the user's recordings, page by page; with `label`, only those whose label begins with it.

        The latest accepted comes first.
        """
        cursor = None
        while True:
            page = self._send(calls.recordings(self._token, _LARGEST_PAGE, cursor, label))
            yield from page.recordings
            if (cursor := page.next) is None:
                return

    def erase(self, recording_id: str) -> bool:
        """Erase a recording's signals and insights for good; return False if that is durable but not yet carried out.

        Raises:
            NotFound: if there is no such recording of this user.
        """
        return self._send(calls.erase(recording_id, self._token))


class AsyncRecordings:
    """`Recordings` for asyncio: the same calls, results and errors."""

    def __init__(self, send: _AsyncSend, token: str) -> None:
        self._send = send
        self._token = token

    async def begin(
        self,
        leads: Leads,
        sampling_rate: float,
        *,
        date: str | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncLiveRecording:
        """See `Recordings.begin`."""
        outline = _outline(leads, sampling_rate, date, label, idempotency_key)
        recording_id = await self._send(calls.begin(outline, self._token))
        return AsyncLiveRecording(self._send, recording_id, outline.recording, self._token)

    async def resume(self, recording_id: str) -> AsyncLiveRecording:
        """See `Recordings.resume`."""
        found = _known(recording_id, await self.insights(recording_id))
        return AsyncLiveRecording(self._send, recording_id, _outline_of(found), self._token, found.next_sample)

    async def stream(
        self,
        blocks: Iterable[Block] | AsyncIterable[Block],
        leads: Leads,
        sampling_rate: float,
        *,
        date: str | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
        chunk_seconds: float = _CHUNK_SECONDS,
        buffer_seconds: float = _BUFFER_SECONDS,
    ) -> AsyncGenerator[StreamProgress]:
        """See `Recordings.stream`; close the generator (`contextlib.aclosing`) when you stop reading."""
        recording = await self.begin(leads, sampling_rate, date=date, label=label, idempotency_key=idempotency_key)
        streaming = recording.stream(blocks, chunk_seconds=chunk_seconds, buffer_seconds=buffer_seconds)
        async with aclosing(streaming) as progress:
            async for each in progress:
                yield each

    async def insights(self, recording_id: str) -> RecordingInsights | None:
        """See `Recordings.insights`."""
        return await self._send(calls.insights(recording_id, self._token))

    async def wait_until_final(
        self, recording_id: str, timeout: float = 30.0, *, submitted: bool = False
    ) -> RecordingInsights:
        """See `Recordings.wait_until_final`."""
        waiting = _waiting_for_end(recording_id, timeout, submitted)
        while True:
            try:
                found = await self._send(waiting.call(self._token))
            except NotFound as error:
                waiting.unknown(error)
            else:
                if found is not None and found.final:
                    return found
                _not_ended(waiting, found)
            await asyncio.sleep(waiting.pause())

    async def minutes(self, recording_id: str, first: int = 0, end: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """See `Recordings.minutes`."""
        after: int | None = first
        while after is not None:
            page = await self._send(calls.minutes(recording_id, after, end, self._token))
            for minute in page.minutes:
                yield minute
            after = page.next

    async def signals(self, recording_id: str, first: int = 0, end: int | None = None) -> RecordingSignals | None:
        """See `Recordings.signals`."""
        return await self._send(calls.signals(recording_id, first, end, self._token))

    async def list(self, label: str | None = None) -> AsyncIterator[RecordingSummary]:
        """See `Recordings.list`."""
        cursor = None
        while True:
            page = await self._send(calls.recordings(self._token, _LARGEST_PAGE, cursor, label))
            for recording in page.recordings:
                yield recording
            if (cursor := page.next) is None:
                return

    async def erase(self, recording_id: str) -> bool:
        """See `Recordings.erase`."""
        return await self._send(calls.erase(recording_id, self._token))


def _outline(
    leads: Leads, sampling_rate: float, date: str | None, label: str | None, idempotency_key: str | None
) -> Submission:
    pairs = leads.items() if isinstance(leads, Mapping) else leads
    named = tuple(_lead(name, gain) for name, gain in pairs)
    recording = Recording(named, date, sampling_rate=float(sampling_rate), label=label)
    return Submission(recording, str(uuid.uuid4()) if idempotency_key is None else idempotency_key)


def _outline_of(found: RecordingInsights) -> Recording:
    leads = tuple(_lead(lead.name, lead.adc_gain) for lead in found.leads)
    return Recording(leads, found.date, sampling_rate=found.sampling_rate, label=found.label)


def _lead(name: str, gain: float | None) -> Lead:
    return Lead(name, np.empty(0, np.int8), None if gain is None else float(gain))


def _known(recording_id: str, found: RecordingInsights | None) -> RecordingInsights:
    if found is None:
        raise StillProcessing(f"{recording_id}: its beginning is not processed yet, try again")
    return found


def _waiting_for_end(recording_id: str, timeout: float, submitted: bool) -> Waiting[RecordingInsights | None]:
    return Waiting(recording_id, timeout, calls.insights, "final insights", submitted=submitted)


def _not_ended(waiting: Waiting[RecordingInsights | None], found: RecordingInsights | None) -> None:
    """Note that a recording has not ended; after the deadline, raise an error, with the latest refusal if any."""
    if found is not None and found.refused and not waiting.left:
        raise InvalidEcg(f"{found.recording_id} has not ended; {found.refusal}", "body")
    waiting.pending()


async def _each(blocks: Iterable[Block] | AsyncIterable[Block]) -> AsyncGenerator[Block]:
    if isinstance(blocks, AsyncIterable):
        async for block in blocks:
            yield block
        return
    for block in blocks:
        yield block
        # Lets the sending task run.
        await asyncio.sleep(0)
