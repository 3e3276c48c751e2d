"""Sends files that are too large for one message as recordings, in chunks, without holding them in memory."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import numpy as np

from ecg_client.client import AsyncEcgClient
from ecg_client.errors import InvalidEcg, NotFound, StillProcessing, Unavailable
from ecg_client.idempotency import recording_key
from ecg_client.live_recordings import StreamProgress
from ecg_client.outgoing import longest_chunk
from ecg_client.recording_results import RecordingInsights
from ecg_client.recordings import Recording, Source
from ecg_client.recordings.missing import joined
from ecg_client.requests import Submission, submit
from shared import chunk as limits
from shared import errors
from shared.ecg import Content, Lead, narrow

LARGEST_MESSAGE = 16 << 20
"""The default limit of gateways: the size of the largest message in bytes."""

_PAUSE = 0.1


InThread = Callable[..., Awaitable[Any]]
"""Calls a function that reads files, with its arguments, in a thread."""

SendLong = Callable[[Source, InThread], AsyncGenerator[StreamProgress]]
"""Sends a file in chunks, and yields the progress."""


def is_too_large(recording: Recording) -> bool:
    """Return True if a recording is too large for one message."""
    # Names and ranges are far smaller than the other half. A larger packed message may still be small enough in JSON.
    if sum(narrow(lead.signal).nbytes for lead in recording.leads) <= LARGEST_MESSAGE // 2:
        return False
    return len(submit(Submission(recording, "-"), "-", pack=True).body or b"") > LARGEST_MESSAGE


def check_long(source: Source) -> None:
    """Check that a file can be sent as a recording.

    Raises:
        InvalidEcg: if it cannot; the message says what to do, if possible.
    """
    if source.sampling_rate is None:
        raise InvalidEcg(
            "sampling_rate: must be known for a file that is sent in chunks, because it is too large for one message: "
            "give it with --sampling-rate",
            "sampling_rate",
        )
    try:
        for first, end in ((0, False), (source.number_of_samples, True)):
            limits.check(Content(None, source.leads, source.sampling_rate), first, end=end)
    except errors.InvalidEcg as error:
        raise InvalidEcg(str(error), error.field) from None


def chunk_of(source: Source, first: int, count: int) -> tuple[Lead, ...]:
    """Read a chunk; leads that end earlier are filled up with missing samples."""
    _, leads = next(source.pieces(first, count))
    size = min(count, source.number_of_samples - first)
    return tuple(_filled(lead, size) for lead in leads)


def _filled(lead: Lead, size: int) -> Lead:
    present = lead.signal.size
    if present == size:
        return lead
    missing = joined([*lead.missing, (present, size - present)])
    return Lead(lead.name, np.pad(lead.signal, (0, size - present)), lead.adc_gain, missing)


def submitting_long(client: AsyncEcgClient) -> SendLong:
    """Return a function that submits a file in chunks over HTTP, without those that arrived in an earlier run."""

    async def send(source: Source, in_thread: InThread) -> AsyncGenerator[StreamProgress]:
        total, rate = source.number_of_samples, source.sampling_rate or 0.0
        size = longest_chunk(rate, len(source.leads))
        leads = [(lead.name, lead.adc_gain) for lead in source.leads]
        key = await in_thread(recording_key, source)
        recording = await client.recordings.begin(
            leads, rate, date=source.date, label=source.label, idempotency_key=key
        )
        yield StreamProgress(recording.id, 0)
        try:
            found = await recording.insights()
        except (NotFound, Unavailable):
            # It was erased, and begins anew; or no worker answers: then chunks that have arrived are sent again.
            found = None
        for first in range(0, total, size):
            count = min(size, total - first)
            if found is None or not found.has(first, count):
                chunk = await in_thread(chunk_of, source, first, count)
                await recording.send([lead.signal for lead in chunk], first, [lead.missing for lead in chunk])
            yield StreamProgress(recording.id, first + count)
        if found is None or not found.final:
            await recording.end(total)
        yield StreamProgress(recording.id, total, ended=True)

    return send


async def complete_insights(
    client: AsyncEcgClient, recording_id: str, samples: int, seconds: float
) -> RecordingInsights:
    """Wait up to `seconds` for the insights of a file that was sent in chunks, with all of its samples.

    Raises:
        StillProcessing: if that takes longer.
        InvalidEcg: if chunks were refused.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + seconds
    while True:
        found = await client.recordings.wait_until_final(recording_id, max(0.0, deadline - now()), submitted=True)
        if found.refused:
            raise InvalidEcg(found.refusal, "body")
        if found.has(0, samples):
            return found
        if now() >= deadline:
            raise StillProcessing(f"no insights of all samples of {recording_id} within {seconds:g} s")
        await asyncio.sleep(_PAUSE)
