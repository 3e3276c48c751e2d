"""The processing of chunks: a recording's insights depend only on its samples, not on the chunks or their order."""

import functools
import gc
import itertools
import sys
import tempfile
import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared import ecg
from shared.chunk import MAX_LEADS, MAX_SECONDS, Chunk
from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.data_keys import DataKeys
from shared.ecg import Content, Ecg, Lead
from shared.encoding import packed, plain
from shared.errors import InvalidEcg
from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.beats import Minute, Segment
from shared.messages.erasures import CONTENT_TYPE, Erasure, Erasures
from shared.messages.insights import Insights
from shared.messages.recordings import (
    CHUNK,
    HOUR,
    MAX_RUNS,
    MINUTE,
    ChunkPlace,
    Progress,
    decode_place,
    part_key,
    parts_prefix,
)
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.app import create_app
from stream_agents.insights import selected
from stream_agents.insights.zero_crossings import count_zero_crossings
from stream_agents.processing.batch_processor import BatchProcessor
from stream_agents.processing.chunk_processor import NOTHING, Earlier, Lacking
from stream_agents.processing.outcomes import (
    Erased,
    Ignored,
    Misplaced,
    Outcome,
    Rejected,
    Row,
    Stored,
    UserErased,
    row_of,
)
from stream_agents.processing.record import Record
from stream_agents.recordings import detection
from stream_agents.recordings import progress as progressing
from stream_agents.recordings.minutes import Totals, fold, summary
from stream_agents.recordings.segments import single_pass, window
from stream_agents.recordings.tails import Tails, size_of
from stream_agents.table.insights_table import InsightsTable
from tests.support.heartbeats import digitised, signals

SECRET = "a secret of at least thirty-two characters"
SETTINGS = Settings.model_validate({"secret": SECRET, "chunk_patience": 60.0})
TOPICS = Topics(SETTINGS)
RATE = 250.0
NAMES = ("I", "II")
PARTITION = partition_for(b"r", TOPICS.chunks.partitions)


class Worker:
    """A worker's table, and the topic of chunks."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.records: list[Record] = []
        self.read = 0
        self.at_once: int | None = None
        self.start_again()

    def start_again(self) -> None:
        """Go on as another worker, which has only the table and the topic."""
        keys = DataKeys(SETTINGS, TOPICS)
        self._batch = BatchProcessor(SETTINGS, TOPICS, keys, lambda _, key: self.rows.get(key), selected("all"))

    def take(
        self, *values: bytes, key: bytes = b"r", at: int = 0, headers: Sequence[tuple[str, bytes]] = ()
    ) -> list[Outcome]:
        """Append messages to the topic, and process them as one batch."""
        records = []
        for value in values:
            partition = partition_for(key, TOPICS.chunks.partitions)
            record = Record(TOPICS.chunks.name, partition, len(self.records), key, value, list(headers), at)
            self.records.append(record)
            records.append(record)
        return self.process(records)

    def process(self, records: list[Record]) -> list[Outcome]:
        rows = self._batch.stored_rows(records)
        outcomes: list[Outcome] = []
        earlier, turns = NOTHING, 0
        while len(outcomes) < len(records):
            turns += 1
            assert turns < 200 + len(records), "the same is read again and again"
            done, lacking = self._batch.process(records[len(outcomes) :], rows, earlier)
            outcomes += [outcome for _, outcome in done]
            waiting = {key: row for (_, key), row in rows.items()}
            earlier = NOTHING
            if lacking is not None:
                earlier = self._earlier(lacking, self.rows | waiting)
        for outcome in outcomes:
            if (row := row_of(outcome)) is not None:
                self.write([*(row.parts if isinstance(row, Stored) else ()), row])
        return outcomes

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            assert row.row is not None
            self.rows[row.key] = row.row

    def _earlier(self, lacking: Lacking, rows: dict[bytes, bytes]) -> Earlier:
        """Read the chunks that a record lacks, `at_once` of them at a time, or as many as must be read together."""
        places = sorted(map(decode_place, parts(rows, CHUNK)), key=lambda place: place.first)
        of_need = [
            place
            for first, end in lacking.need.ranges
            for place in places
            if place.first < end and place.first + place.count > first
        ]
        until = sys.maxsize
        if self.at_once is not None:
            at_once = max(self.at_once, len([place for place in of_need if place.first < lacking.need.least]))
            until = min((place.first for place in of_need[at_once:]), default=until)
        offsets = {place.offset for place in of_need if place.first < until}
        self.read += len(offsets)
        found = [self._batch.chunk(self.records[offset]) for offset in offsets]
        read = [(first, min(end, until)) for first, end in lacking.need.ranges if first < until]
        numbers = [number for first, end in lacking.need.minutes for number in range(first, end)]
        keys = [part_key(b"r", MINUTE, number) for number in numbers]
        minutes = [rows[key] for key in keys if key in rows]
        kept = [chunk for chunk in found if chunk is not None]
        return Earlier(read, kept, minutes, parts(rows, HOUR), lacking.done)

    @property
    def places(self) -> list[ChunkPlace]:
        return [decode_place(row) for row in parts(self.rows, CHUNK)]

    @property
    def minutes(self) -> list[Minute]:
        return [msgspec.json.decode(row, type=Minute) for row in parts(self.rows, MINUTE)]

    @property
    def row(self) -> Insights:
        return insights.decode(self.rows[b"r"])

    @property
    def progress(self) -> Progress:
        assert self.row.recording is not None
        return self.row.recording

    @property
    def crossings(self) -> list[int]:
        return [lead["number_of_zero_crossings"] for lead in self.row.leads]


class Member(Worker):
    """A worker that shares the topic and the changelog with others. Its table is a copy that it makes at the start."""

    def __init__(self, records: list[Record], changelog: list[SimpleNamespace], directory: str) -> None:
        super().__init__()
        self.records = records
        self.changelog = changelog
        # If it is cut off from the others, what it writes is here, and may get to the changelog later.
        self.late: list[SimpleNamespace] | None = None
        app = create_app(SETTINGS.model_copy(update={"data_dir": Path(directory)}))
        self.store = cast("InsightsTable", app.tables["insights"]).rows
        self.store.open(PARTITION)
        self.apply()

    def write(self, rows: Sequence[Row]) -> None:
        name = insights.MESSAGE_OFFSET_HEADER
        written = [
            SimpleNamespace(key=row.key, value=row.row, headers=[(name, str(row.offset).encode())]) for row in rows
        ]
        if self.late is not None:
            self.late += written
            super().write(rows)
        else:
            self.changelog += written
            self.apply()

    def apply(self) -> None:
        """Apply the changelog, and write rows again that were overwritten in it."""
        begin, end = self.store.position(PARTITION), len(self.changelog)
        self.store.apply(PARTITION, cast("Any", self.changelog[begin:]), begin, end)
        if again := self.store.overwritten(PARTITION):
            self.write(again)
        rows = ((key, self.store.get_row(PARTITION, key)) for key in self.store.keys_from(PARTITION, b"r", b"r"))
        self.rows = {key: row for key, row in rows if row is not None}


def parts(rows: dict[bytes, bytes], kind: str) -> list[bytes]:
    return [rows[key] for key in sorted(rows) if key.startswith(parts_prefix(b"r", kind))]


def chunk(signals: Any, first: int = 0, *, end: bool = False, **fields: Any) -> Chunk:
    leads = tuple(Lead(name, np.asarray(signal, np.int16), 200.0) for name, signal in zip(NAMES, signals, strict=False))
    whole = {"id": "r", "username": "u", "date": None, "sampling_rate": RATE} | fields
    return Chunk(leads=leads, first_sample=first, end=end, **whole)


def cut(signals: NDArray[np.int16], first: int, stop: int) -> bytes:
    return packed.encode_chunk(chunk(signals[:, first:stop], first))


PACKED = [("content-type", packed.CONTENT_TYPE.encode())]
_samples = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=60)


@given(_samples, st.data())
def test_the_order_and_the_cuts_of_chunks_do_not_matter(samples: list[tuple[int, int]], data: st.DataObject) -> None:
    """At any moment, zero crossings are those of an ECG whose absent samples are zeros; repeats change nothing."""
    signals = np.array(samples, np.int16).T.copy()
    size = signals.shape[1]
    edges = sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=8))})
    ranges = list(pairwise(edges))
    # Other cuts of the same samples overlap with the first ones.
    sample = st.integers(0, size)
    others = data.draw(st.lists(st.tuples(sample, sample), max_size=3))
    ranges += [(min(pair), max(pair)) for pair in others if pair[0] != pair[1]]
    sent = data.draw(st.permutations(ranges))
    dropped = data.draw(st.integers(0, len(sent) - 1))
    worker = Worker()
    came = np.zeros(size, np.bool_)
    for first, stop in sent[dropped:]:
        worker.take(cut(signals, first, stop), headers=PACKED)
        came[first:stop] = True
        end = int(np.flatnonzero(came)[-1]) + 1
        assert worker.crossings == count_zero_crossings(list(np.where(came, signals, 0)[:, :end]))
        assert sum(run.end - run.first for run in worker.progress.runs) == came.sum()
        assert sum(place.count for place in worker.places) == came.sum()
    assert worker.progress.refused == 0
    worker.take(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)), headers=PACKED)
    assert worker.crossings == count_zero_crossings(list(np.where(came, signals, 0)))
    absent = [int(index) for first, count in worker.progress.gaps for index in range(first, first + count)]
    assert absent == np.flatnonzero(~came).tolist()
    assert (worker.progress.settled, worker.progress.total) == (size, size)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.data())
def test_redelivered_records_change_nothing(numbers: list[int], data: st.DataObject) -> None:
    signals = np.array([[1, -1, 0, 2, -3, 4] * 5, [0, 0, 1, -1, 1, 1] * 5], np.int16)
    worker = Worker()
    worker.take(*(cut(signals, 5 * number, 5 * number + 5) for number in numbers), headers=PACKED)
    before = dict(worker.rows)
    begin = data.draw(st.integers(0, len(worker.records) - 1))
    assert set(map(type, worker.process(worker.records[begin:]))) == {Ignored}
    assert worker.rows == before


def test_a_recording_begins_with_its_announcement_or_its_first_chunk() -> None:
    worker = Worker()
    worker.take(plain.encode_chunk(chunk([[], []], date="2026-03-01T10:00:00", label="bed 7")))
    row = worker.row
    assert (row.username, row.date, row.label, row.sampling_rate) == ("u", "2026-03-01T10:00:00", "bed 7", RATE)
    assert (row.number_of_samples, worker.crossings, worker.progress.gains) == ([0, 0], [0, 0], [200.0, 200.0])
    other = Worker()
    other.take(plain.encode_chunk(chunk([[1, -1], [0, 0]], 3)))
    assert other.row.number_of_samples == [5, 5]
    assert other.progress.settled == 0
    # The announcement may come later, and add fields that the chunks lack.
    other.take(plain.encode_chunk(chunk([[], []], label="bed 8")))
    assert (other.row.label, other.crossings) == ("bed 8", [1, 0])


def test_a_hole_becomes_a_gap_with_time_or_with_the_end_and_a_later_chunk_is_a_revision() -> None:
    signals = np.ones((2, 40), np.int16)
    worker = Worker()
    worker.take(cut(signals, 0, 10), headers=PACKED)
    worker.take(cut(signals, 20, 30), at=1000, headers=PACKED)
    worker.take(cut(signals, 30, 35), at=61_000, headers=PACKED)
    assert (worker.progress.settled, worker.progress.gaps) == (10, [])
    worker.take(cut(signals, 35, 36), at=61_001, headers=PACKED)
    assert (worker.progress.settled, worker.progress.gaps) == (36, [(10, 10)])
    assert worker.progress.revision == 0
    worker.take(cut(signals, 12, 15), at=61_002, headers=PACKED)
    assert (worker.progress.revision, worker.progress.gaps) == (1, [(10, 2), (15, 5)])
    worker.take(packed.encode_chunk(chunk((), 40, end=True)), at=61_003, headers=PACKED)
    assert (worker.progress.settled, worker.progress.gaps) == (40, [(10, 2), (15, 5), (36, 4)])
    worker.take(cut(signals, 36, 40), at=61_004, headers=PACKED)
    assert (worker.progress.revision, worker.progress.gaps) == (2, [(10, 2), (15, 5)])


SIGNALS = np.arange(80, dtype=np.int16).reshape(2, 40) - 20


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (cut(SIGNALS + 1, 5, 15), "first_sample: overlaps samples 5 to 9, which arrived earlier and differ"),
        (packed.encode_chunk(chunk([[1]], 50)), "leads: must be those of the recording in its order, I, II"),
        (
            packed.encode_chunk(chunk([[1], [2]], 50, sampling_rate=500.0)),
            "sampling_rate: must be that of the recording, 250.0",
        ),
        (
            packed.encode_chunk(chunk((), 9, end=True)),
            "first_sample: must not be less than the number of samples so far, 10",
        ),
        (packed.encode_chunk(chunk((), 50)), "leads: must hold 1 to 1024 leads, not 0"),
        (b"\xc1", None),
    ],
)
def test_a_refused_chunk_is_a_dead_letter_and_is_told(value: bytes, told: str | None) -> None:
    worker = Worker()
    worker.take(cut(SIGNALS, 0, 10), headers=PACKED)
    crossings = worker.crossings
    [outcome] = worker.take(value, headers=[*PACKED, ("username", b"u")])
    assert isinstance(outcome, Rejected)
    if told is None:
        # Neither id nor owner can be read, and the key is not one that a gateway issued.
        assert worker.progress.refused == 0
        return
    assert outcome.reason == told
    assert (worker.progress.refused, worker.progress.refusals) == (1, [told])
    assert worker.crossings == crossings
    # A redelivery does not count it again.
    assert [type(again) for again in worker.process(worker.records[-1:])] == [Ignored]
    assert worker.progress.refused == 1


@pytest.mark.parametrize("first", [0, 1])
def test_overlapping_chunks_agree_on_what_is_missing(first: int) -> None:
    """A missing sample counts as 0 in a signal, but for the beats it is no signal at all."""
    signal = np.zeros(20, np.int16)
    whole = chunk([signal, signal])
    holed = msgspec.structs.replace(whole, leads=(whole.leads[0], Lead("II", signal, 200.0, ((4, 3),))))
    messages = [packed.encode_chunk(of) for of in (whole, holed)]
    worker = Worker()
    worker.take(messages[first], messages[1 - first], messages[first], headers=PACKED)
    assert worker.progress.refusals == ["first_sample: overlaps samples 0 to 19, which arrived earlier and differ"]


def test_overlapping_samples_that_are_no_longer_kept_are_refused() -> None:
    worker = Worker()
    worker.take(cut(SIGNALS, 0, 10), headers=PACKED)
    worker.records[0] = msgspec.structs.replace(worker.records[0], value=None)
    worker.start_again()
    [outcome] = worker.take(cut(SIGNALS, 5, 15), headers=PACKED)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "first_sample: overlaps samples 5 to 9, which arrived earlier and are no longer kept"


def test_chunks_beyond_the_end_and_another_end_are_refused() -> None:
    worker = Worker()
    ends = [packed.encode_chunk(chunk((), total, end=True)) for total in (10, 10, 12)]
    worker.take(cut(SIGNALS, 0, 10), *ends, cut(SIGNALS, 10, 12), headers=PACKED)
    assert worker.progress.refusals == [
        "first_sample: must be the end that was given before, 10",
        "first_sample: must not be beyond the end of the recording, 10 samples",
    ]
    assert worker.progress.total == 10


def test_an_end_beyond_the_longest_recording_is_refused() -> None:
    worker = Worker()
    longest = int(RATE * MAX_SECONDS)
    ends = [packed.encode_chunk(chunk((), total, end=True, sampling_rate=None)) for total in (longest + 1, longest)]
    worker.take(cut(SIGNALS, 0, 10), *ends, headers=PACKED)
    assert worker.progress.refusals == ["first_sample: must lie within 31 days, the longest recording"]
    assert (worker.progress.total, worker.progress.gaps) == (longest, [(10, longest - 10)])
    with pytest.raises(InvalidEcg, match="first_sample: must lie within 31 days"):
        packed.decode_chunk(packed.encode_chunk(chunk((), 2**62, end=True, sampling_rate=None)))


def test_the_end_of_an_unknown_recording_tells_its_owner_what_is_missing() -> None:
    worker = Worker()
    worker.take(packed.encode_chunk(chunk((), 9, end=True)), headers=PACKED)
    assert (worker.row.error or "").startswith("recording_id: is not that of a recording: announce it first")
    reason, first = worker.row.error, worker.row.accepted
    # A redelivery does not count it again.
    worker.process(worker.records[-1:])
    worker.take(cut(SIGNALS, 0, 10), at=1000, headers=PACKED)
    assert (worker.row.error, worker.row.number_of_samples) == (None, [10, 10])
    # The refusals remain when the recording begins.
    assert (worker.progress.refused, worker.progress.refusals) == (1, [reason])
    # It keeps its place in the list, as an ECG does.
    assert worker.row.accepted == first


def test_a_recording_has_a_limit_of_holes() -> None:
    progress = Progress(gains=[None])
    for number in range(MAX_RUNS):
        progress = progressing.with_samples(progress, chunk([[1]], 2 * number), 0)
    with pytest.raises(InvalidEcg, match=f"a recording may have {MAX_RUNS - 1} at a time"):
        progressing.with_samples(progress, chunk([[1]], 2 * MAX_RUNS), 0)
    assert len(progressing.with_samples(progress, chunk([[1]], 1), 0).runs) == MAX_RUNS - 1
    # Even then the row is far smaller than a message may be.
    wide = Progress(runs=list(progress.runs), gains=[1.5] * MAX_LEADS)
    signs = [msgspec.structs.replace(run, opens="+" * MAX_LEADS, closes="-" * MAX_LEADS) for run in wide.runs]
    row = Insights("r", "u", [{"name": "x" * 128}] * MAX_LEADS, recording=msgspec.structs.replace(wide, runs=signs))
    assert len(insights.encode(row)) < insights.MAX_BYTES / 4


def test_ids_are_of_one_owner_and_of_one_kind() -> None:
    worker = Worker()
    worker.take(cut(SIGNALS, 0, 10), headers=PACKED)
    [other] = worker.take(packed.encode_chunk(chunk(SIGNALS[:, 10:], 10, username="thief")), headers=PACKED)
    assert other == Rejected("IdTaken", "id: belongs to another user")
    partition = partition_for(b"r", TOPICS.submissions.partitions)
    ecg = orjson.dumps({"id": "r", "username": "u", "leads": [{"name": "I", "signal": [1]}]})
    [as_ecg] = worker.process([Record(TOPICS.submissions.name, partition, 0, b"r", ecg, [], 0)])
    assert as_ecg == Rejected("IdTaken", "id: belongs to a recording")
    assert worker.row.number_of_samples == [10, 10]
    worker.rows[b"r"] = insights.encode(Insights("r", "u", [{"name": "I"}]))
    [as_chunk] = worker.take(cut(SIGNALS, 10, 20), headers=PACKED)
    assert as_chunk == Rejected("IdTaken", "id: belongs to an ECG")
    issued = IdIssuer(SECRET).issue("someone")
    [claimed] = worker.take(packed.encode_chunk(chunk(SIGNALS, id=issued)), key=issued.encode(), headers=PACKED)
    assert claimed == Rejected("IdTaken", "id: belongs to another user")


def _taken(worker: Worker, key: bytes, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Outcome:
    place = partition_for(key, TOPICS.submissions.partitions)
    [outcome] = worker.process([Record(topic, place, 0, key, value, list(headers), 0)])
    return outcome


def test_before_it_has_a_row_an_issued_id_is_of_the_kind_that_it_was_issued_for() -> None:
    issuer, erasures = IdIssuer(SECRET), Erasures(SECRET)
    topics = {False: TOPICS.submissions.name, True: TOPICS.chunks.name}
    for recording in (False, True):
        issued, worker = issuer.issue("u", recording=recording), Worker()
        key = issued.encode()
        whole = packed.encode(Ecg.of(issued, "u", Content(None, chunk(SIGNALS).leads, RATE)))
        messages = {False: whole, True: packed.encode_chunk(chunk(SIGNALS, id=issued))}

        erase = erasures.seal(Erasure("u", issued)), [("content-type", CONTENT_TYPE.encode())]
        sealed = b"?", [*PACKED, ("username", b"u"), (DATA_KEY_HEADER, b"gone")]
        broken = b"?", [*PACKED, ("username", b"u")]
        other = not recording
        taken = functools.partial(_taken, worker, key)
        assert taken(topics[other], *erase) == Ignored()
        told = "id: belongs to a recording" if recording else "id: belongs to an ECG"
        assert taken(topics[other], messages[other], PACKED) == Rejected("IdTaken", told)
        for value, headers in (sealed, broken):
            rejected = taken(topics[other], value, headers)
            assert isinstance(rejected, Rejected)
            assert rejected.stored is None
        assert key not in worker.rows
        assert not isinstance(taken(topics[recording], messages[recording], PACKED), Rejected)
        assert insights.decode(worker.rows[key]).is_recording is recording


def test_a_chunk_in_a_wrong_partition_is_forwarded_once() -> None:
    value = cut(SIGNALS, 0, 10)
    worker = Worker()
    assert worker.take(value, key=b"wrong", headers=PACKED) == [Misplaced(b"r")]
    [again] = worker.take(value, key=b"wrong", headers=[*PACKED, ("forwarded-from", b"t-1-2")])
    assert isinstance(again, Rejected)


def test_an_erased_recording_stays_erased_for_earlier_chunks_and_begins_anew_with_later_ones() -> None:
    erasures = Erasures(SECRET)
    erase = erasures.seal(Erasure("u", "r"))
    worker = Worker()
    worker.take(cut(SIGNALS, 0, 10), headers=PACKED)
    [erased] = worker.take(erase, headers=[("content-type", CONTENT_TYPE.encode())])
    assert isinstance(erased, Erased)
    assert worker.row == Insights("r", "", offset=1, erased=True, recording=Progress())
    assert worker.process(worker.records[:1]) == [Ignored()]
    worker.take(cut(SIGNALS, 3, 10), headers=PACKED)
    assert [run.first for run in worker.progress.runs] == [3]
    [all_of] = worker.take(erasures.seal(Erasure("u")), headers=[("content-type", CONTENT_TYPE.encode())])
    assert all_of == UserErased("u")
    # An erasure on this topic concerns recordings only.
    worker.rows[b"r"] = insights.encode(Insights("r", "u", [{"name": "I"}]))
    assert worker.take(erase, headers=[("content-type", CONTENT_TYPE.encode())]) == [Ignored()]


def test_chunks_are_found_by_their_samples() -> None:
    worker = Worker()
    worker.take(cut(SIGNALS, 10, 20), cut(SIGNALS, 5, 25), headers=PACKED)
    assert worker.places == [ChunkPlace(5, 5, 1, 5), ChunkPlace(10, 10, 0, 10), ChunkPlace(20, 5, 1, 5)]
    assert part_key(b"r", CHUNK, 10) in worker.rows


@pytest.mark.parametrize("encoding", [packed, plain])
def test_both_encodings_hold_the_same_chunk(encoding: Any) -> None:
    sent = chunk([[1, -300], [0, 70]], 2**20, label="x", date="2026-03-01")
    found = encoding.decode_chunk(encoding.encode_chunk(sent))
    assert [lead.signal.tolist() for lead in found.leads] == [[1, -300], [0, 70]]
    assert msgspec.structs.replace(found, leads=()) == msgspec.structs.replace(sent, leads=())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"leads": [{"name": "I", "signal": [1]}, {"name": "II", "signal": [1, 2]}]},
            "leads[1].signal: must be as long",
        ),
        ({"leads": [{"name": "I", "signal": [1]}] * 65}, "leads: must hold at most 64 leads"),
        ({"sampling_rate": None}, "sampling_rate: must be given in a recording"),
        ({"first_sample": -1}, "first_sample: must be a whole number of samples"),
        ({"first_sample": 1.5}, "first_sample: must be a whole number of samples"),
        ({"first_sample": int(RATE * 31 * 86_400)}, "first_sample: must lie within 31 days"),
        ({"first_sample": 3, "leads": [{"name": "I", "signal": []}]}, "leads: must hold samples, except"),
        ({"end": True}, "leads: must hold no samples in the end"),
        ({"end": 1}, "end: must be true or false"),
        ({"recording_id": "?"}, "recording_id: must be 1 to 128 letters"),
    ],
)
def test_what_breaks_a_limit_of_recordings_is_refused(changed: dict[str, Any], told: str) -> None:
    document = {
        "recording_id": "r",
        "username": "u",
        "first_sample": 0,
        "sampling_rate": RATE,
        "leads": [{"name": "I", "signal": [1]}],
    }
    with pytest.raises(InvalidEcg) as refusal:
        plain.decode_chunk(orjson.dumps(document | changed))
    assert str(refusal.value).startswith(told)


RHYTHM_RATE = 125.0


@functools.cache
@functools.cache
def rhythm() -> NDArray[np.int16]:
    """Return two leads with a beat every 0.8 s, a pause, and a gap of the electrodes, shape (2, n)."""
    seconds = 95.0
    onsets = np.concatenate((np.arange(0.5, 40, 0.8), np.arange(52, seconds, 0.7)))
    leads = np.array(digitised(signals(onsets, RHYTHM_RATE, seconds, noise_mv=0.02)[[0, 6]]), np.int16)
    leads[:, 9000:9200] = 0
    return leads


def of_rhythm(first: int, stop: int) -> bytes:
    return packed.encode_chunk(chunk(rhythm()[:, first:stop], first, sampling_rate=RHYTHM_RATE))


def leads_of(there: NDArray[np.bool_]) -> list[Lead]:
    """Return the leads of the rhythm, of which some samples are missing, as an array of shape (2, n)."""
    leads = []
    for name, signal, known in zip(NAMES, rhythm(), there, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate(([True], known, [True]))))
        missing = tuple((int(first), int(end - first)) for first, end in edges.reshape(-1, 2))
        leads.append(Lead(name, np.where(known, signal, 0).astype(np.int16), 200.0, missing))
    return leads


def at_once(came: NDArray[np.bool_], known: NDArray[np.bool_] | bool = True) -> list[Segment]:
    """Return the segments of a single pass over the whole recording; samples that did not arrive are missing."""
    leads = leads_of(np.broadcast_to(came, rhythm().shape) & known)
    windows = (window(number, RHYTHM_RATE) for number in itertools.count())
    found = zip(single_pass(leads, RHYTHM_RATE), windows, strict=False)
    return [segment for segment, there in found if came[there.start : there.stop].any()]


@pytest.fixture(scope="module")
def _short_hours() -> Iterator[None]:
    """Let an hour have a minute, so that a short recording has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "MINUTES_OF_HOUR", 1)
        yield


@pytest.mark.usefixtures("_short_hours")
@settings(max_examples=min(60, settings().max_examples))
@given(st.data())
def test_beats_are_those_of_a_single_pass_however_the_chunks_come(data: st.DataObject) -> None:
    size = rhythm().shape[1]
    # Samples that the recorder itself calls missing, on one lead or both.
    known = np.ones((2, size), np.bool_)
    sample = st.integers(0, size)
    holes = st.tuples(st.integers(0, 1), sample, st.integers(1, 3000))
    for lead, first, count in data.draw(st.lists(holes, max_size=3)):
        known[lead, first : first + count] = False
    leads = leads_of(known)
    edges = sorted({0, size, *data.draw(st.lists(sample, min_size=3, max_size=25))})
    sent = list(pairwise(edges))
    # Other cuts of the same samples overlap with the first ones.
    others = data.draw(st.lists(st.tuples(sample, sample), max_size=2))
    sent += [(min(pair), max(pair)) for pair in others if pair[0] != pair[1]]
    # Mostly in order, as chunks come, or in any order, with repeats, and without some.
    if data.draw(st.booleans()):
        sent = list(data.draw(st.permutations(sent)))
    sent += [sent[number] for number in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=3))]
    dropped = data.draw(st.sets(st.integers(0, len(sent) - 1), max_size=3))
    worker, at = Worker(), 0
    worker.at_once = data.draw(st.sampled_from([None, 1, 3]), label="chunks that are read at a time")
    worker.take(packed.encode_chunk(chunk([[], []], sampling_rate=RHYTHM_RATE)), headers=PACKED)
    came = np.zeros(size, np.bool_)
    for number, (first, stop) in enumerate(sent):
        if number in dropped:
            continue
        if data.draw(st.booleans(), label="another worker, which has none of the chunks at hand"):
            worker.start_again()
        # After a minute, holes become gaps, and chunks that arrive for them are revisions.
        at += data.draw(st.sampled_from([1000, 61_000]))
        part = tuple(ecg.cut(lead, range(first, stop)) for lead in leads)
        worker.take(packed.encode_chunk(Chunk("r", "u", None, part, RHYTHM_RATE, None, first)), at=at, headers=PACKED)
        came[first:stop] = True
    worker.take(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)), at=at, headers=PACKED)
    expected = at_once(came, known)
    assert [segment for minute in worker.minutes for segment in minute.segments] == expected
    totals = functools.reduce(fold, expected, Totals())
    assert worker.row.ecg == msgspec.Raw(msgspec.json.encode({"beats": summary(totals, RHYTHM_RATE)}))
    assert worker.progress.refused == 0


@pytest.mark.usefixtures("_short_hours")
@settings(max_examples=min(60, settings().max_examples))
@given(st.data())
def test_what_workers_write_late_changes_nothing(data: st.DataObject) -> None:
    """A worker that is cut off stores a batch that others have processed meanwhile, in whole or in part."""
    size = rhythm().shape[1]
    edges = sorted({0, size, *data.draw(st.lists(st.integers(0, size), min_size=3, max_size=20))})
    sent = list(data.draw(st.permutations(list(pairwise(edges)))))
    values = [packed.encode_chunk(chunk([[], []], sampling_rate=RHYTHM_RATE)), *(of_rhythm(*each) for each in sent)]
    values.append(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)))
    records = [Record(TOPICS.chunks.name, PARTITION, i, b"r", value, list(PACKED), 0) for i, value in enumerate(values)]
    expected = at_once(np.ones(size, np.bool_))
    changelog: list[SimpleNamespace] = []
    late: list[list[SimpleNamespace]] = []
    done = 0
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        names = map(str, itertools.count())

        def new(log: list[SimpleNamespace]) -> Member:
            member = Member(records, log, f"{directory}/{next(names)}")
            opened.callback(member.store._close, PARTITION)
            return member

        owner = new(changelog)
        while done < len(records):
            batch = records[done : done + data.draw(st.integers(1, 3))]
            match data.draw(st.sampled_from(["process", "process", "cut off", "arrive"])):
                case "process":
                    owner.process(batch)
                    done += len(batch)
                case "cut off":
                    owner.late = []
                    owner.process(batch)
                    late.append(owner.late)
                    owner = new(changelog)
                case "arrive" if any(late):
                    group = data.draw(st.sampled_from([group for group in late if group]))
                    count = data.draw(st.integers(1, len(group)))
                    changelog += group[:count]
                    del group[:count]
        for group in data.draw(st.permutations(late)):
            changelog += group
        owner.apply()
        last = {record.key: number for number, record in enumerate(changelog)}
        compacted = [changelog[number] for number in sorted(last.values())]
        for worker in (owner, new(changelog), new(compacted)):
            segments = [segment for minute in worker.minutes for segment in minute.segments]
            assert segments == expected
            totals = functools.reduce(fold, segments, Totals())
            assert worker.row.ecg == msgspec.Raw(msgspec.json.encode({"beats": summary(totals, RHYTHM_RATE)}))
            assert worker.crossings == count_zero_crossings(list(rhythm()))
            assert (worker.progress.gaps, worker.progress.refused, worker.row.offset) == ([], 0, len(records) - 1)
            assert sorted((place.first, place.first + place.count) for place in worker.places) == list(pairwise(edges))


def test_chunks_in_order_are_not_read_again() -> None:
    worker = Worker()
    for first in range(0, rhythm().shape[1], 125):
        worker.take(of_rhythm(first, first + 125), headers=PACKED)
    assert worker.read == 0
    assert len(worker.minutes[0].segments) == 6
    # Another worker reads only what the next segment needs.
    worker.start_again()
    worker.take(packed.encode_chunk(chunk((), rhythm().shape[1], end=True)), headers=PACKED)
    assert worker.read == 7


def test_a_chunk_with_which_the_row_would_be_too_large_has_no_say_in_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its samples do not count as arrived: different ones may arrive at their place."""
    worker = Worker()
    worker.take(of_rhythm(0, 1000), headers=PACKED)
    # There is room for the refusal, but not for the label.
    monkeypatch.setattr(insights, "MAX_BYTES", len(worker.rows[b"r"]) + 200)
    other = chunk(rhythm()[:, 1100:5000] // 50, 1100, sampling_rate=RHYTHM_RATE, label="bed" * 60)
    [outcome] = worker.take(packed.encode_chunk(other), headers=PACKED)
    assert isinstance(outcome, Rejected)
    assert "larger than" in outcome.reason
    monkeypatch.undo()
    worker.take(of_rhythm(1000, 5000), headers=PACKED)
    came = np.arange(rhythm().shape[1]) < 5000
    worker.take(packed.encode_chunk(chunk((), came.size, end=True, sampling_rate=None)), headers=PACKED)
    assert [segment for minute in worker.minutes for segment in minute.segments] == at_once(came)


EVER = range(10**6)


def test_tails_are_bounded_and_hold_what_comes_most_recently() -> None:
    size = chunk(np.zeros((2, 500)))
    tails = Tails(most_bytes=3 * size_of(size))
    for name in "abcd":
        tails.keep(name, 0, [size], EVER)
    assert [len(tails.of(name, 0)) for name in "abcd"] == [0, 1, 1, 1]
    tails.keep("b", 0, [size, chunk(np.zeros((2, 500)), 500)], range(600, 10**6))
    assert [found.first_sample for found in tails.of("b", 0)] == [500]
    tails.keep("e", 0, [size], EVER)
    assert [len(tails.of(name, 0)) for name in "bcde"] == [1, 0, 1, 1]
    # Another recording with the same id.
    assert tails.of("b", 7) == []


@pytest.mark.parametrize("samples", [1, 25, 500])
def test_tails_take_no_more_memory_than_they_may_however_small_chunks_are(samples: int) -> None:
    messages = [packed.encode_chunk(chunk(np.ones((2, samples)), i * samples)) for i in range(10)]
    tails = Tails(most_bytes=1_000_000)
    tracemalloc.start()
    try:
        for recording in range(1_000):
            # Copies, as of records that are received one by one.
            chunks = [packed.decode_chunk(bytes(bytearray(message))) for message in messages]
            tails.keep(str(recording), 0, chunks, EVER)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 500_000 < taken < 1_200_000


@pytest.mark.parametrize(
    ("rate", "needs"), [(50.0, "a sampling rate of at least"), (1e6, "at most 120000 samples a second")]
)
def test_beats_are_not_searched_where_they_cannot_be_found(rate: float, needs: str) -> None:
    worker = Worker()
    worker.take(packed.encode_chunk(chunk(np.zeros((2, 2000)), sampling_rate=rate)), headers=PACKED)
    assert worker.row.not_computed["beats"].startswith(f"needs {needs}")
    assert worker.crossings == [0, 0]
    assert worker.minutes == []


def test_beats_that_fail_leave_the_rest_as_it_is_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """An error as extensions in Rust raise it."""

    def fail(*_: object) -> None:
        raise Panic("7777")

    worker = Worker()
    worker.take(of_rhythm(0, 1000), headers=PACKED)
    monkeypatch.setattr(detection, "detect", fail)
    [outcome] = worker.take(of_rhythm(1000, 2000), headers=PACKED)
    monkeypatch.undo()
    assert isinstance(outcome, Stored)
    assert outcome.failures == {"beats": "Panic"}
    assert b"7777" not in outcome.row
    [after] = worker.take(of_rhythm(2000, 3000), headers=PACKED)
    assert isinstance(after, Stored)
    assert after.failures == {}
    assert worker.row.not_computed == {"beats": "failed (Panic)"}
    assert worker.crossings == count_zero_crossings(list(rhythm()[:, :3000]))
    assert [place.first for place in worker.places] == [0, 1000, 2000]


def test_beats_need_what_an_overlap_did_not() -> None:
    """A chunk that is repeated a minute later, at another worker, also turns a hole into a gap: then beats are due."""
    worker = Worker()
    for first, stop in ((0, 10), (20, 5000)):
        worker.take(of_rhythm(first, stop), headers=PACKED)
    assert worker.minutes == []
    worker.start_again()
    worker.take(of_rhythm(0, 10), at=61_000, headers=PACKED)
    came = np.ones(rhythm().shape[1], np.bool_)
    came[10:20] = False
    assert list(worker.minutes[0].segments) == at_once(came)[:3]


def test_what_was_read_for_some_segments_is_freed_when_more_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    size = rhythm().shape[1]
    worker = Worker()
    # A hole at the beginning, which is given up at the end.
    worker.take(*(of_rhythm(first, first + 500) for first in range(500, size, 500)), headers=PACKED)
    worker.start_again()
    worker.at_once = 1
    read: list[weakref.ref[Any]] = []

    def earlier(lacking: Lacking, rows: dict[bytes, bytes]) -> Earlier:
        assert all(signal() is None for signal in read)
        found = Worker._earlier(worker, lacking, rows)
        read.extend(weakref.ref(chunk.leads[0].signal) for chunk in found.chunks)
        return found

    monkeypatch.setattr(worker, "_earlier", earlier)
    gc.disable()
    try:
        worker.take(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)), headers=PACKED)
    finally:
        gc.enable()
    assert len(read) > size // 500


def test_a_late_chunk_has_the_beats_around_it_found_again() -> None:
    size = rhythm().shape[1]
    worker = Worker()
    worker.take(of_rhythm(0, 2000), of_rhythm(2600, size), headers=PACKED)
    worker.take(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)), headers=PACKED)
    came = np.ones(size, np.bool_)
    came[2000:2600] = False
    assert [segment for minute in worker.minutes for segment in minute.segments] == at_once(came)
    worker.take(of_rhythm(2000, 2600), headers=PACKED)
    came[:] = True
    assert [segment for minute in worker.minutes for segment in minute.segments] == at_once(came)
    assert (worker.progress.revision, worker.progress.gaps) == (1, [])


def test_minutes_that_a_dead_worker_wrote_before_the_row_count_once() -> None:
    """Parts are stored before their row, so a worker may die in between: its records are processed again."""
    size = rhythm().shape[1]
    worker = Worker()
    worker.take(of_rhythm(0, 2000), of_rhythm(2600, 5000), headers=PACKED)
    worker.take(of_rhythm(5000, 5500), at=61_000, headers=PACKED)
    before = worker.rows[b"r"]
    # A late chunk, and another one with which more segments are due.
    worker.take(of_rhythm(2000, 2600), of_rhythm(5500, size), at=62_000, headers=PACKED)
    after = worker.row
    worker.rows[b"r"] = before
    worker.start_again()
    worker.process(worker.records[-2:])
    assert worker.row == after
    assert after.not_computed == {}
    worker.take(packed.encode_chunk(chunk((), size, end=True, sampling_rate=None)), headers=PACKED)
    assert [segment for minute in worker.minutes for segment in minute.segments] == at_once(np.ones(size, np.bool_))
