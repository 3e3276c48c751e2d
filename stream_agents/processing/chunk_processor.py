"""Processes records of the topic of chunks: an outcome is a function of record, recording's row and earlier chunks."""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from typing_extensions import override

from shared.chunk import Chunk, check_length
from shared.data_keys import KeyDestroyed
from shared.ecg import Lead
from shared.errors import InvalidEcg
from shared.messages import insights
from shared.messages.beats import decode_minute
from shared.messages.insights import Insights
from shared.messages.recordings import CHUNK, HOUR, MINUTE, ChunkPlace, Progress, encode_place, part_key
from shared.ranges import Range, within
from stream_agents.processing.outcomes import Ignored, Outcome, Part, Rejected, Stored
from stream_agents.processing.processor import Common, Processor, accepted
from stream_agents.processing.record import Record
from stream_agents.recordings import progress as progressing
from stream_agents.recordings.detection import Detector, Search
from stream_agents.recordings.minutes import decode_totals, summary
from stream_agents.recordings.segments import LEAST_RATE, window
from stream_agents.recordings.tails import Tails
from stream_agents.recordings.window import Samples

# Samples of all leads a second: 14 seconds of them must fit into memory. Twelve leads at 1000 Hz are a tenth of it.
_MOST_PER_SECOND: Final = 120_000
# Samples further ahead are read from the topic again, so that a file sent behind a hole does not fill the memory.
_SOON_SECONDS: Final = 120
BEATS: Final = "beats"
_NO_SAMPLES: Final = np.empty(0, np.int8)

_encoder = msgspec.json.Encoder()
_detector_decoder = msgspec.json.Decoder(Detector)


class Need(NamedTuple):
    """The samples and rows that the outcome of a record depends on, besides the row of its recording.

    Attributes:
        ranges: the ranges of samples, ascending and apart.
        least: samples before this one must be read together; later ones may be left for the next request.
        minutes: the numbers of minutes whose rows are needed, as ranges. If any, the rows of all hours are needed too.
    """

    ranges: Sequence[Range] = ()
    least: int = 0
    minutes: Sequence[Range] = ()


class Done(NamedTuple):
    """The state of the processing of a record that was interrupted because it lacked samples or rows.

    Attributes:
        compared: the samples before this one have been compared with the earlier ones, and are equal.
        search: the search for beats so far, or None if it has not begun.
    """

    compared: int = 0
    search: Search | None = None


class Earlier(NamedTuple):
    """The samples and rows that were read for a `Need`, and the state of the processing.

    Attributes:
        read: the ranges of samples that were looked for: all of the need, or those before some sample.
        chunks: the chunks with samples in these ranges that are still kept.
        minutes: the rows of the minutes that were needed.
        hours: the rows of all hours, if minutes were needed.
        done: the state of the processing before the reading.
    """

    read: Sequence[Range] = ()
    chunks: Sequence[Chunk] = ()
    minutes: Sequence[bytes] = ()
    hours: Sequence[bytes] = ()
    done: Done = Done()


class Lacking(Exception):  # noqa: N818 - not an error: the caller reads what is needed, and tries again
    """The outcome of a record depends on samples or rows of earlier ones, which must be read first."""

    def __init__(self, record: Record, need: Need, done: Done) -> None:
        super().__init__()
        self.record = record
        self.need = need
        self.done = done


NOTHING: Final = Earlier()


class ChunkProcessor(Processor):
    """Decides the outcome of a record of the topic of chunks.

    Args:
        patience: the seconds to wait for a missing chunk.
        common: the collaborators of every processor.
    """

    recordings = True

    def __init__(self, patience: float, common: Common) -> None:
        super().__init__(common)
        self._patience = patience
        self._tails = Tails()

    @override
    def process(self, record: Record, earlier: Earlier = NOTHING) -> Outcome:
        """Return the outcome of a record; whatever its content, this raises nothing but `Lacking`.

        Args:
            record: a record of the topic of chunks.
            earlier: the samples and rows that an earlier call lacked.

        Raises:
            Lacking: if earlier samples or minutes are needed.
        """
        if record.is_erasure:
            return self._erase(record)
        try:
            chunk = self._decoder.chunk(record)
            label = self._label(record, chunk)
        except KeyDestroyed:
            return self._lost(record)
        except InvalidEcg as error:
            return self._reject(record, error, error.ecg_id, error.username)
        try:
            return self._decided(record, chunk, label, earlier)
        except InvalidEcg as error:
            return self._reject(record, error, chunk.id, chunk.username, label=label)
        except insights.RowTooLarge as error:
            problem = InvalidEcg("first_sample", f"makes the row of the recording {error}: send missing chunks first")
            return self._reject(record, problem, chunk.id, chunk.username, label=label)

    def _decided(self, record: Record, chunk: Chunk, label: dict[str, Any], earlier: Earlier) -> Outcome:
        key = chunk.id.encode()
        if self._is_misplaced(record, key):
            return self._forward(record, key)
        existing = self._existing(record.partition, key)
        if refusal := self._refuse(record, chunk.id, chunk.username, existing):
            return refusal
        known = existing if existing is not None and not existing.erased and existing.error is None else None
        if known is not None and known.offset >= record.offset:
            return Ignored()
        row = known if known is not None else self._begun(record, chunk, existing)
        return self._with_chunk(record, chunk, label, row, earlier)

    @override
    def _told(self, record: Record, rejected: Rejected, existing: Insights) -> Outcome:
        """Return the outcome of a refused message, which adds the reason to the insights of its recording."""
        if existing.offset >= record.offset:
            return Ignored()
        progress = progressing.refused(existing.recording or Progress(), rejected.reason)
        row = msgspec.structs.replace(existing, offset=record.offset, recording=progress)
        return msgspec.structs.replace(rejected, stored=Stored.of(row))

    @override
    def _failed(self, failure: Insights, existing: Insights | None) -> Insights:
        """Add the reason to the row's `refusals`, which are kept when a later message begins the recording."""
        before = _failed_before(existing)
        # A message that is processed again is counted once.
        if existing is None or existing.offset < failure.offset:
            before = progressing.refused(before, failure.error or "")
        return msgspec.structs.replace(failure, recording=before)

    def _with_chunk(
        self,
        record: Record,
        chunk: Chunk,
        label: dict[str, Any],
        row: Insights,
        earlier: Earlier,
    ) -> Outcome:
        progress = row.recording or Progress()
        if chunk.leads:
            _check_same(row, progress, chunk)
        kept = list(self._tails.of(chunk.id, progress.begun))
        pieces: list[Range] = []
        if chunk.end:
            check_length(chunk.first_sample, row.sampling_rate or 0.0)
            progress = progressing.ended(progress, chunk.first_sample)
        elif chunk.count:
            pieces = progressing.fresh(progress, chunk.first_sample, chunk.first_sample + chunk.count)
            _check_overlap(record, progress, chunk, kept, earlier)
            progress = progressing.with_samples(progress, chunk, record.timestamp)
            kept += [chunk] if pieces else []
        progress = progressing.settled(progress, record.timestamp, self._patience)
        given = {} if row.label or row.sealed_label else label
        counts = progress.zero_crossings or [0] * len(row.leads)
        row = msgspec.structs.replace(
            row,
            date=row.date or chunk.date,
            number_of_samples=[progress.end] * len(row.leads),
            offset=record.offset,
            leads=[
                {"name": lead["name"], "number_of_zero_crossings": n} for lead, n in zip(row.leads, counts, strict=True)
            ],
            recording=progress,
            **given,
        )
        places = _places(chunk, pieces, record.offset)
        if row.not_computed:
            return Stored.of(row, parts=places)
        try:
            search, chunks = _searched(record, row, pieces, kept, earlier)
        except (KeyboardInterrupt, Lacking):
            raise
        except BaseException as error:  # As for ECGs, an insight that fails leaves the others as they are.
            failure = type(error).__name__
            row = msgspec.structs.replace(row, not_computed={BEATS: f"failed ({failure})"})
            return Stored.of(row, {BEATS: failure}, places)
        row, parts = _with_beats(row, search)
        stored = Stored.of(row, parts=(*places, *parts))
        # Not earlier: if the row is too large, the chunk is refused, and its samples must not be kept.
        soon = _soon(search.detector.segments, progress, row.sampling_rate or 0.0)
        self._tails.keep(chunk.id, progress.begun, chunks, soon)
        return stored

    def _begun(self, record: Record, chunk: Chunk, failed: Insights | None) -> Insights:
        """Return the row of a recording that begins with a chunk.

        Args:
            record: the record of the chunk.
            chunk: the chunk.
            failed: the row of an earlier message of the recording that failed or was erased, or None.

        Raises:
            InvalidEcg: if the chunk has no leads.
        """
        if not chunk.leads:
            raise InvalidEcg(
                "recording_id", "is not that of a recording: announce it first, or send a chunk with leads"
            )
        return Insights(
            chunk.id,
            chunk.username,
            accepted=accepted(record, failed),
            sampling_rate=chunk.sampling_rate,
            leads=[{"name": lead.name} for lead in chunk.leads],
            not_computed=_not_computed(chunk.sampling_rate or 0.0, len(chunk.leads)),
            recording=msgspec.structs.replace(
                _failed_before(failed), begun=record.offset, gains=[lead.adc_gain for lead in chunk.leads]
            ),
        )


def _searched(
    record: Record, row: Insights, pieces: Sequence[Range], kept: Sequence[Chunk], earlier: Earlier
) -> tuple[Search, list[Chunk]]:
    """Complete the search for beats, and return it with the chunks in memory.

    Raises:
        Lacking: if earlier samples or minutes are needed.
    """
    progress, search = row.recording or Progress(), earlier.done.search
    if search is None:
        detector = Detector() if progress.detector is msgspec.UNSET else _detector_decoder.decode(progress.detector)
        search = Search(detector, progress, row.sampling_rate or 0.0, pieces)
    elif search.minutes_needed:
        search.learn(map(decode_minute, earlier.minutes), map(decode_totals, earlier.hours))
    leads = [Lead(lead["name"], _NO_SAMPLES, gain) for lead, gain in zip(row.leads, progress.gains, strict=True)]
    chunks = [*kept, *earlier.chunks]
    if not search.run(Samples(chunks, earlier.read), leads):
        ranges = Samples(kept).unread(search.needed())
        raise Lacking(record, Need(ranges, search.least, search.minutes_needed), Done(progress.end, search))
    return search, chunks


def _with_beats(row: Insights, search: Search) -> tuple[Insights, list[Part]]:
    """Return the row with the beats so far, and the new and changed rows of minutes and hours."""
    progress, detector = row.recording or Progress(), search.detector
    beats = summary(detector.totals, row.sampling_rate or 0.0)
    row = msgspec.structs.replace(
        row,
        recording=msgspec.structs.replace(progress, detector=msgspec.Raw(_encoder.encode(detector))),
        ecg=msgspec.Raw(_encoder.encode({BEATS: beats})),
        summary={} if beats.mean_rate is None else {"heart_rate_bpm": beats.mean_rate},
    )
    key = row.ecg_id.encode()
    kinds = ((MINUTE, search.minutes), (HOUR, search.hours))
    return row, [Part(part_key(key, kind, at), of, row.offset) for kind, rows in kinds for at, of in rows.items()]


def _soon(segments: int, progress: Progress, rate: float) -> range:
    """Return the range of samples that the next segments need, also while they wait for a hole to be filled."""
    first = window(segments, rate).start if progress.total is None else progress.end
    return range(first, first + math.ceil(_SOON_SECONDS * rate))


def _failed_before(existing: Insights | None) -> Progress:
    """Return the progress with which a recording begins: the messages refused before, if its row has an error."""
    if existing is None or existing.erased or existing.error is None:
        return Progress()
    return existing.recording or Progress()


def _check_overlap(record: Record, progress: Progress, chunk: Chunk, kept: Sequence[Chunk], earlier: Earlier) -> None:
    """Compare the samples of a chunk with those that arrived earlier at the same places, from `done.compared` on.

    Raises:
        InvalidEcg: if the chunk goes beyond the end, or the earlier samples differ or are no longer kept.
        Lacking: if the earlier samples are not in memory.
    """
    end = chunk.first_sample + chunk.count
    if progress.total is not None and end > progress.total:
        raise InvalidEcg("first_sample", f"must not be beyond the end of the recording, {progress.total} samples")
    again = progressing.overlapping(progress, max(chunk.first_sample, earlier.done.compared), end)
    if not again:
        return
    own, old = Samples([chunk]), Samples([*kept, *earlier.chunks], earlier.read)
    unread = old.unread(again)
    at_hand = unread[0][0] if unread else end
    for first, stop in within(again, chunk.first_sample, at_hand):
        if absent := old.absent(first, stop):
            raise InvalidEcg("first_sample", f"overlaps samples {_told(*absent[0])} and are no longer kept")
        leads = (samples.cut(chunk.leads, range(first, stop)) for samples in (own, old))
        if not all(
            np.array_equal(lead.signal, other.signal) and lead.missing == other.missing
            for lead, other in zip(*leads, strict=True)
        ):
            raise InvalidEcg("first_sample", f"overlaps samples {_told(first, stop)} and differ")
    if unread:
        raise Lacking(record, Need(unread, at_hand + 1), Done(compared=at_hand))


def _told(first: int, end: int) -> str:
    return f"{first} to {end - 1}, which arrived earlier"


def _places(chunk: Chunk, pieces: Sequence[Range], offset: int) -> tuple[Part, ...]:
    """Return the rows with the places of the chunk's new samples."""
    places = [ChunkPlace(first, end - first, offset, chunk.first_sample) for first, end in pieces]
    return tuple(Part(part_key(chunk.id.encode(), CHUNK, place.first), encode_place(place), offset) for place in places)


def _not_computed(rate: float, leads: int) -> dict[str, str]:
    """Return the reason why beats are not searched for, or an empty dict if they are."""
    if rate < LEAST_RATE:
        return {BEATS: f"needs a sampling rate of at least {LEAST_RATE:g} Hz"}
    if rate * leads > _MOST_PER_SECOND:
        return {BEATS: f"needs at most {_MOST_PER_SECOND} samples a second of all leads"}
    return {}


def _check_same(row: Insights, progress: Progress, chunk: Chunk) -> None:
    """Check that a chunk has the leads and the sampling rate of its recording.

    Raises:
        InvalidEcg: if it has others.
    """
    names = [lead["name"] for lead in row.leads]
    if [lead.name for lead in chunk.leads] != names:
        raise InvalidEcg("leads", f"must be those of the recording in its order, {', '.join(names)}")
    for i, (lead, gain) in enumerate(zip(chunk.leads, progress.gains, strict=True)):
        if lead.adc_gain != gain:
            raise InvalidEcg(f"leads[{i}].adc_gain", f"must be that of the recording, {gain}")
    if chunk.sampling_rate != row.sampling_rate:
        raise InvalidEcg("sampling_rate", f"must be that of the recording, {row.sampling_rate}")
