"""The tails of recordings: exact samples in bounded memory, whatever the size of the chunks and their order."""

import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chunk import Chunk
from shared.ecg import Lead, Signal
from shared.encoding import packed, plain
from shared.ranges import joined
from stream_agents.recordings import tails as module
from stream_agents.recordings.tails import Tails, size_of
from stream_agents.recordings.window import Samples

LEADS = (Lead("I", np.empty(0, np.int8), 200.0), Lead("II", np.empty(0, np.int8)))
# Of the whole recording, of which chunks have a part. Samples that are missing are 0.
SAMPLES = np.array([np.arange(400) % 100, np.arange(400) * 1000 - 200_000])
SAMPLES[:, ::7] = 0


def chunk(first: int, end: int) -> Chunk:
    missing = tuple((at - first, 1) for at in range(first, end) if at % 7 == 0)
    # Chunks have the narrowest type that holds their samples.
    dtypes = (np.int8, np.int16 if first % 2 and first > 200 and end < 230 else np.int32)
    signals: Iterator[Signal] = (SAMPLES[lead, first:end].astype(dtype) for lead, dtype in enumerate(dtypes))
    leads = tuple(Lead(lead.name, signal, lead.adc_gain, missing) for lead, signal in zip(LEADS, signals, strict=True))
    return Chunk("r", "u", None, leads, 250.0, first_sample=first)


def samples(chunks: list[Chunk], there: range) -> list[tuple[Any, ...]]:
    found = Samples(chunks).cut(LEADS, there)
    return [(lead.name, lead.adc_gain, lead.missing, lead.signal.tolist()) for lead in found]


@pytest.mark.parametrize("encoding", [packed, plain])
@pytest.mark.parametrize("length", [1, 300])
def test_missing_samples_count_by_the_memory_of_their_ranges(encoding: Any, length: int) -> None:
    # So many that it does not matter how many tuples Python keeps to use again.
    ranges = tuple((first, length) for first in range(300, 300 + 50_000 * (length + 1), length + 1))
    lead = Lead("I", np.zeros(ranges[-1][0] + length, np.int8), 200.0, ranges)
    message = encoding.encode_chunk(Chunk("r", "u", None, (lead,), 250.0))
    tracemalloc.start()
    try:
        chunk = encoding.decode_chunk(bytes(bytearray(message)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= size_of(chunk) <= 1.6 * taken


def test_chunks_in_a_tail_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def measure(chunk: Chunk) -> int:
        measured.append(chunk.first_sample)
        return size_of(chunk)

    monkeypatch.setattr(module, "size_of", measure)
    tails = Tails()
    # With holes between them, so that none become one.
    sent = [chunk(first, first + 1) for first in range(0, 400, 2)]
    for number, each in enumerate(sent):
        tails.keep("r", 0, [*tails.of("r", 0), each], range(sent[number // 2].first_sample, 400))
    assert measured == [each.first_sample for each in sent]
    assert tails.of("r", 0) == sent[99:]


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_chunks_that_become_one_have_the_same_samples_and_none_in_holes(seed: int) -> None:
    random_ = random.Random(seed)
    tails, all_of_them, first, most_runs = Tails(), list[Chunk](), 0, 0
    starts = sorted(random_.sample(range(400), random_.choice([30, 150, 300])))
    for number, begin in enumerate(starts):
        # Mostly in order, some again.
        at = begin if random_.random() < 0.8 else random_.choice(starts)
        each = chunk(at, min(at + random_.randint(1, 3), 400))
        all_of_them.append(each)
        if random_.random() < 0.3:
            first = max(first, begin - 300)
        tails.keep("r", 0, [*tails.of("r", 0), each], range(first, 400))
        kept = tails.of("r", 0)
        most_runs = max(most_runs, len(joined((each.first_sample, each.first_sample + each.count) for each in kept)))
        assert len(kept) <= max(64, 2 * most_runs)
        if number % 10 == 0 or begin == starts[-1]:
            assert samples(kept, range(first, 400)) == samples(all_of_them, range(first, 400))


def test_a_tail_of_many_small_chunks_is_few_and_no_longer_than_it_has_to_be() -> None:
    tails = Tails()
    for first in range(400):
        tails.keep("r", 0, [*tails.of("r", 0), chunk(first, first + 1)], range(max(0, first - 99), 400))
    kept = tails.of("r", 0)
    assert len(kept) <= 64
    assert samples(kept, range(300, 400)) == samples([chunk(0, 400)], range(300, 400))
    assert sum(each.count for each in kept) <= 164


def test_a_tail_has_nothing_that_is_not_needed_soon() -> None:
    """Otherwise, a file sent behind a hole would push all live recordings out of the memory."""
    tails = Tails()
    for first in range(50, 400, 50):
        tails.keep("r", 0, [*tails.of("r", 0), chunk(first, first + 50)], range(120, 220))
    assert [each.first_sample for each in tails.of("r", 0)] == [100, 150, 200]
