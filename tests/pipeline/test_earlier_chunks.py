"""A worker reads the earlier samples of a recording from the topic again: those that it needs, and no others."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import RebalanceInProgressError

from shared.chunk import Chunk
from shared.data_keys import DataKeys
from shared.ecg import Lead
from shared.encoding import packed
from shared.kafka.clients import new_producer
from shared.kafka.record_reader import new_record_reader, read_records
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.insights import Insights
from shared.messages.recomputations import CONTENT_TYPE as RECOMPUTATION
from shared.messages.recordings import CHUNK, MINUTE, ChunkPlace, Progress, encode_place, part_key
from stream_agents import originals as module
from stream_agents.app import create_app
from stream_agents.insights import selected
from stream_agents.originals import Originals
from stream_agents.processing.batch_processor import BatchProcessor
from stream_agents.processing.chunk_processor import Done, Earlier, Lacking, Need
from stream_agents.processing.outcomes import Part
from stream_agents.processing.record import Record
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.rocksdb import Store
from tests.support.pipeline import NewPipeline

PARTITION = 1
HEADERS = [("content-type", packed.CONTENT_TYPE.encode())]
ROW = Insights("r", "u", [{"name": "I"}, {"name": "II"}], sampling_rate=250.0, recording=Progress())


def chunk(first: int, end: int, **fields: Any) -> Chunk:
    """Return a chunk whose samples are derived from their places; every tenth sample is missing."""
    samples = np.arange(first, end) * (np.arange(first, end) % 10 > 0)
    missing = tuple((at - first, 1) for at in range(first, end) if at % 10 == 0)
    leads = tuple(Lead(name, sign * samples, 200.0, missing) for name, sign in (("I", 1), ("II", -1)))
    whole = {"id": "r", "username": "u", "date": None, "leads": leads, "sampling_rate": 250.0, "first_sample": first}
    return Chunk(**(whole | fields))


class Reading:
    """A worker's table and originals, and the topic of chunks."""

    def __init__(self, store: Store, originals: Originals, topics: Topics, producer: AIOKafkaProducer) -> None:
        self.store = store
        self.originals = originals
        self._topics = topics
        self._producer = producer

    async def send(self, *chunks: Chunk) -> list[int]:
        """Append chunks to the partition, and return their offsets."""
        return [
            (
                await self._producer.send_and_wait(
                    self._topics.chunks.name, packed.encode_chunk(each), b"r", PARTITION, headers=HEADERS
                )
            ).offset
            for each in chunks
        ]

    def place(self, *places: ChunkPlace) -> None:
        parts = [Part(part_key(b"r", CHUNK, place.first), encode_place(place), place.offset) for place in places]
        self.store.put_rows(PARTITION, parts, 1)

    async def earlier(
        self, *ranges: tuple[int, int], minutes: bool = False, size: int = 1000, least: int = 0
    ) -> Earlier:
        record = Record(self._topics.chunks.name, PARTITION, 10**6, b"r", b"x" * size, [], 0)
        need = Need(ranges, least, [(0, 1)] if minutes else ())
        lacking = Lacking(record, need, Done())
        return await self.originals.earlier(lacking, {(PARTITION, b"r"): insights.encode(ROW)})


@pytest_asyncio.fixture
async def reading(new_pipeline: NewPipeline, tmp_path: Path) -> AsyncIterator[Reading]:
    pipeline = new_pipeline()
    # It creates the topics.
    pipeline.start_gateway()
    await pipeline.alive()
    settings = pipeline.settings.model_copy(update={"data_dir": tmp_path})
    topics = Topics(settings)
    store = cast("InsightsTable", create_app(settings).tables["insights"]).rows
    store.open(PARTITION)
    processor = BatchProcessor(settings, topics, DataKeys(settings, topics), store.get_row, selected("all"))
    originals = Originals(settings, topics, processor, store)
    async with new_producer(settings) as producer:
        yield Reading(store, originals, topics, producer)
    await originals.on_stop()


def found(earlier: Earlier) -> list[tuple[int, int]]:
    """Return the samples of each chunk, after a look at their values."""
    for each in earlier.chunks:
        expected = chunk(each.first_sample, each.first_sample + each.count)
        for lead, other in zip(each.leads, expected.leads, strict=True):
            assert (lead.name, lead.adc_gain, lead.missing) == (other.name, other.adc_gain, other.missing)
            assert lead.signal.tolist() == other.signal.tolist()
    return sorted((each.first_sample, each.first_sample + each.count) for each in earlier.chunks)


async def test_only_the_samples_that_are_needed_are_kept(reading: Reading) -> None:
    # Each message has all samples from the beginning, and 100 new ones.
    offsets = await reading.send(*(chunk(0, end) for end in range(100, 1100, 100)))
    reading.place(*(ChunkPlace(100 * number, 100, offset, 0) for number, offset in enumerate(offsets)))
    earlier = await reading.earlier((250, 450), (901, 902))
    assert found(earlier) == [(250, 300), (300, 400), (400, 450), (901, 902)]
    # Nothing else is held by the signals.
    assert all(lead.signal.base is None for each in earlier.chunks for lead in each.leads)


async def test_of_many_samples_only_the_first_ones_are_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as many samples as fit into memory are read; the rest is asked for again."""
    offsets = await reading.send(*(chunk(first, first + 100) for first in range(0, 1000, 100)))
    reading.place(*(ChunkPlace(100 * number, 100, offset, 100 * number) for number, offset in enumerate(offsets)))
    # Of both leads, and what each chunk takes beside them.
    monkeypatch.setattr(module, "_MOST_SAMPLES", 3 * 2 * (100 + module._PIECE_SAMPLES))
    earlier = await reading.earlier((50, 250), (260, 1000))
    assert (found(earlier), earlier.read) == ([(50, 100), (100, 200), (200, 250), (260, 300)], [(50, 250), (260, 300)])
    earlier = await reading.earlier((50, 250), (260, 1000), least=710)
    assert (found(earlier)[-1], list(earlier.read)) == ((700, 800), [(50, 250), (260, 800)])


async def test_a_record_has_several_places(reading: Reading) -> None:
    inner, outer = await reading.send(chunk(110, 120), chunk(100, 140))
    reading.place(ChunkPlace(110, 10, inner, 110), ChunkPlace(100, 10, outer, 100), ChunkPlace(120, 20, outer, 100))
    assert found(await reading.earlier((105, 135))) == [(105, 110), (110, 120), (120, 135)]


@pytest.mark.parametrize(("size", "fetched"), [(100, 1 << 18), (10**6, 1)])
async def test_records_that_are_close_together_are_fetched_together(
    reading: Reading, monkeypatch: pytest.MonkeyPatch, size: int, fetched: int
) -> None:
    """Their distance in bytes is estimated by the size of the record at hand."""
    offsets: list[int] = []
    for number in range(12):
        offsets += await reading.send(chunk(number * 10, number * 10 + 10))
        await reading.send(*(chunk(0, 10, id="other") for _ in range(5)))
    reading.place(*(ChunkPlace(10 * number, 10, offset, 10 * number) for number, offset in enumerate(offsets)))
    readers: list[int] = []
    reads: list[int] = []

    def new(settings: Any, fetched: int) -> Any:
        readers.append(fetched)
        return new_record_reader(settings, fetched)

    async def read(reader: Any, partition: Any, rest: Sequence[int]) -> Any:
        records = await read_records(reader, partition, rest)
        reads.append(len(records))
        return records

    monkeypatch.setattr(module, "new_record_reader", new)
    monkeypatch.setattr(module, "read_records", read)
    assert found(await reading.earlier((0, 120), size=size)) == [(first, first + 10) for first in range(0, 120, 10)]
    assert (readers, sum(reads)) == ([fetched], 12)
    # All of them are smaller than what is fetched together. The broker may send more than was asked for.
    if fetched > 1:
        assert reads == [12]


async def test_a_record_of_somebody_else_has_no_samples_of_a_recording(reading: Reading) -> None:
    """If the topic was lost and created again, another record may be at the offset of a place."""
    strangers = [
        chunk(0, 10, id="s"),
        chunk(0, 10, username="v"),
        chunk(0, 10, leads=chunk(0, 10).leads[:1]),
        # Of the same recording, but not the record of that place.
        chunk(1, 11),
        chunk(0, 9),
    ]
    for offset in await reading.send(*strangers):
        reading.place(ChunkPlace(0, 10, offset, 0))
        assert await reading.earlier((0, 10)) == Earlier(((0, 10),), [])
    [offset] = await reading.send(chunk(0, 10))
    reading.place(ChunkPlace(0, 10, offset, 0))
    assert found(await reading.earlier((0, 10))) == [(0, 10)]
    reading.place(ChunkPlace(0, 10, offset + 1000, 0))
    assert found(await reading.earlier((0, 10))) == []


async def test_samples_without_a_place_are_not_kept(reading: Reading) -> None:
    assert await reading.earlier((0, 10)) == Earlier(((0, 10),), [])


async def test_a_partition_that_has_moved_away_is_told_as_an_error_that_is_tried_again(reading: Reading) -> None:
    """The reading ends with an error until the change of the assignment is noticed, and the record is dropped."""
    reading.store.put_rows(PARTITION, [Part(part_key(b"r", MINUTE, 0), b"a minute", 0)], 1)
    assert (await reading.earlier(minutes=True)).minutes == [b"a minute"]
    recomputation = Record("s", PARTITION, 0, b"e", b"", [("content-type", RECOMPUTATION.encode())], 0)
    assert await reading.originals.in_place([recomputation]) == []
    await reading.store.on_rebalance(set(), set(), set())
    for ranges, minutes in [([(0, 10)], False), ([], True)]:
        with pytest.raises(RebalanceInProgressError):
            await reading.earlier(*ranges, minutes=minutes)
    with pytest.raises(RebalanceInProgressError):
        await reading.originals.in_place([recomputation])
