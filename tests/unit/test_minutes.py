"""Minutes and totals of the beats of long recordings."""

from functools import reduce
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.recordings import schemas
from shared.ecg import Lead
from shared.messages.beats import Minute, Pause, Segment, Summary
from stream_agents.insights.recording import Recording
from stream_agents.insights.rhythm import rhythm
from stream_agents.recordings.minutes import INTERVALS, SEGMENTS, Totals, fold, joined, minute, segments_of, summary
from stream_agents.recordings.segments import bounds, single_pass
from tests.support.heartbeats import digitised, regular, signals

RATE = 100.0


def segments(
    beats: list[int], end: int, gaps: list[tuple[int, int]] | None = None, rate: float = RATE
) -> list[Segment]:
    """Return the segments of a recording up to `end` with these beats, and gaps as first sample and count."""
    found = []
    k = 0
    while bounds(k, rate).start < end:
        first, stop = bounds(k, rate).start, min(end, bounds(k, rate).stop)
        inside = [(max(first, at), min(stop, at + count)) for at, count in gaps or ()]
        found.append(
            Segment(
                first,
                stop,
                tuple(beat for beat in beats if first <= beat < stop),
                gaps=tuple((at, past - at) for at, past in inside if at < past),
            )
        )
        k += 1
    return found


def totals_of(found: list[Segment]) -> Totals:
    return reduce(fold, found, Totals())


def test_rates_are_those_of_the_intervals() -> None:
    # 60 a minute for 30 s, then 120.
    beats = [*range(50, 3000, 100), *range(3000, 6000, 50)]
    found = summary(totals_of(segments(beats, 6000)), RATE)
    assert found.number_of_beats == 90
    assert found.mean_rate == round(60 * 89 / 59.0, 2)
    assert (found.least_rate, found.most_rate, found.rate_now) == (60.0, 120.0, 120.0)
    assert found.longest_pause == Pause(50, 1.0)


def test_one_extrasystole_is_no_rate() -> None:
    beats = [*range(0, 1000, 100), 940, *range(1100, 3000, 100)]
    found = summary(totals_of(segments(beats, 3000)), RATE)
    # Eight intervals, one of which is the interval before it or after it.
    assert found.most_rate == pytest.approx(60 * INTERVALS / 7.4, abs=0.01)
    assert found.least_rate == pytest.approx(60 * INTERVALS / 8.6, abs=0.01)
    assert found.longest_pause == Pause(940, 1.6)


def test_a_pause_reaches_across_segments_from_beat_to_beat() -> None:
    found = summary(totals_of(segments([100, 200, 3150, 3250], 4000)), RATE)
    assert found.longest_pause == Pause(200, 29.5)


def test_a_pause_before_the_first_and_after_the_last_beat_counts() -> None:
    assert summary(totals_of(segments([900, 1000], 1100)), RATE).longest_pause == Pause(0, 9.0)
    assert summary(totals_of(segments([100, 200], 3000)), RATE).longest_pause == Pause(200, 28.0)
    assert summary(totals_of(segments([], 3000)), RATE).longest_pause == Pause(0, 30.0)


def test_no_interval_and_no_pause_spans_a_gap() -> None:
    found = summary(totals_of(segments([100, 200, 300, 2500, 2600], 3000, [(350, 2000)])), RATE)
    assert found.number_of_beats == 5
    assert found.mean_rate == 60.0
    # The longest: from the last beat to the end.
    assert found.longest_pause == Pause(2600, 4.0)
    pause = summary(totals_of(segments([100, 200, 300, 2900], 3000, [(350, 2000)])), RATE).longest_pause
    assert pause == Pause(2350, 5.5)


def test_the_eight_intervals_of_a_rate_have_no_gap_among_them() -> None:
    # Seven fast intervals on each side of the gap.
    beats = [*range(0, 160, 20), *range(400, 560, 20), *range(600, 2000, 100)]
    found = summary(totals_of(segments(beats, 2000, [(200, 150)])), RATE)
    assert found.most_rate == pytest.approx(60 * INTERVALS / (7 * 0.2 + 0.6), abs=0.01)


def test_what_was_not_added_is_a_gap() -> None:
    every = segments([100, 200, 300, 5100, 5200], 6000, [(400, 4600)])
    without = [every[0], every[5]]
    assert totals_of(without) == totals_of(every)
    late = segments([5100, 5200], 6000)[5:]
    assert summary(totals_of(late), RATE).longest_pause == Pause(5200, 8.0)


def test_segments_are_added_in_order_and_once() -> None:
    found = segments([100], 2000)
    with pytest.raises(ValueError, match="from 0 on after one up to 1000"):
        fold(totals_of(found[:1]), found[0])


def test_the_rate_now_is_that_of_the_last_ten_seconds() -> None:
    beats = [*range(50, 3000, 100)]
    assert summary(totals_of(segments(beats, 3000)), RATE).rate_now == 60.0
    assert summary(totals_of(segments(beats, 3949)), RATE).rate_now == 60.0
    assert summary(totals_of(segments(beats, 3950)), RATE).rate_now is None
    assert summary(totals_of(segments(beats, 3000, [(2960, 10)])), RATE).rate_now is None


@pytest.mark.parametrize("beats", [[], [500]])
def test_without_two_beats_there_is_no_rate(beats: list[int]) -> None:
    found = summary(totals_of(segments(beats, 1000)), RATE)
    assert (found.mean_rate, found.least_rate, found.most_rate, found.rate_now) == (None,) * 4


def test_with_fewer_than_eight_intervals_their_mean_is_the_only_rate() -> None:
    found = summary(totals_of(segments([100, 200, 350], 400)), RATE)
    assert found.mean_rate == found.least_rate == found.most_rate == found.rate_now == 48.0


def test_a_recording_without_signal_has_no_pause() -> None:
    assert summary(totals_of(segments([], 3000, [(0, 3000)])), RATE).longest_pause is None
    assert summary(Totals(), RATE).longest_pause is None


def test_a_beat_between_two_gaps_that_count_as_one_is_counted_alone() -> None:
    found = totals_of(segments([100, 200, 320, 400, 500], 1000, [(300, 50)]))
    assert found.number_of_beats == 5
    assert found.intervals == 2
    assert found.pause == (500, 500)


_beats = st.lists(st.integers(20, 1500), max_size=60).map(lambda steps: np.cumsum(steps, dtype=int).tolist())
_gaps = st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 3000)), max_size=5)


@given(beats=_beats, gaps=_gaps, rest=st.integers(1, 3000), rate=st.sampled_from([100.0, 257.3, 61.7]))
def test_totals_are_those_of_all_beats_at_once(
    beats: list[int], gaps: list[tuple[int, int]], rest: int, rate: float
) -> None:
    ranges = []
    at = 0
    for apart, count in gaps:
        ranges.append((at + apart, count))
        at += apart + count
    there = [beat for beat in beats if not any(first <= beat < first + count for first, count in ranges)]
    end = max([at, *there]) + rest
    found = totals_of(segments(there, end, ranges, rate))
    # Stretches of signal, and the beats of each.
    edges = [0, *(edge for first, count in ranges for edge in (first, first + count)), end]
    stretches = list(zip(edges[::2], edges[1::2], strict=True))
    of = [[beat for beat in there if start <= beat < stop] for start, stop in stretches]
    intervals = [later - one for group in of for one, later in pairwise(group)]
    pauses = [
        (one, later - one)
        for (start, stop), group in zip(stretches, of, strict=True)
        for one, later in pairwise([start, *group, stop])
    ]
    spans = [group[index + INTERVALS] - group[index] for group in of for index in range(len(group) - INTERVALS)]
    assert found.number_of_beats == len(there)
    assert (found.intervals, found.length) == (len(intervals), sum(intervals))
    assert (found.shortest, found.longest) == (min(spans, default=0), max(spans, default=0))
    assert found.pause[1] == max(length for _, length in pauses)
    assert found.pause == next(pause for pause in pauses if pause[1] == found.pause[1])
    assert found.recent == tuple(of[-1][-INTERVALS - 1 :])


@given(beats=_beats, gaps=_gaps, without=st.sets(st.integers(0, 60)), data=st.data())
def test_totals_of_parts_are_joined_to_those_of_the_whole(
    beats: list[int], gaps: list[tuple[int, int]], without: set[int], data: st.DataObject
) -> None:
    """However the segments are divided into parts, also with some left out between them."""
    every = segments(
        beats, max([0, *beats]) + 500, [(1000 * number + at, count) for number, (at, count) in enumerate(gaps)]
    )
    kept = [segment for number, segment in enumerate(every) if number not in without]
    edges = sorted(data.draw(st.sets(st.integers(0, len(kept)), max_size=6)) | {0, len(kept)})
    parts = [totals_of(kept[first:end]) for first, end in pairwise(edges)]
    # In any order of the joins.
    while len(parts) > 1:
        at = data.draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [joined(*parts[at : at + 2])]
    assert (parts or [Totals()]) == [totals_of(kept)]


@given(beats=_beats, gaps=_gaps, at=st.integers(0, 100))
def test_totals_can_be_kept_as_json_at_any_segment(beats: list[int], gaps: list[tuple[int, int]], at: int) -> None:
    every = segments(beats, max([0, *beats]) + 500, gaps[:1])
    half = msgspec.json.decode(msgspec.json.encode(totals_of(every[:at])), type=Totals)
    assert reduce(fold, every[at:], half) == totals_of(every)
    assert len(msgspec.json.encode(half)) < 500


def test_a_minute_holds_its_segments_and_their_rates() -> None:
    beats = list(range(50, 24_000, 75))
    every = segments(beats, 24_000)
    minutes = [minute(index, every[SEGMENTS * index : SEGMENTS * (index + 1)], RATE) for index in range(4)]
    assert [of.number_of_beats for of in minutes] == [80] * 4
    assert {(of.mean_rate, of.least_rate, of.most_rate) for of in minutes} == {(80.0, 80.0, 80.0)}
    # Pauses end at the minute's borders.
    assert all(of.longest_pause == Pause(of.segments[0].beats[0], 0.75) for of in minutes)
    again = [msgspec.json.decode(msgspec.json.encode(of), type=Minute) for of in minutes]
    assert again == minutes
    assert [beat for of in again for beat in of.beats] == beats
    assert totals_of(list(segments_of(again))) == totals_of(every)


def test_a_minute_without_segments_has_no_beats() -> None:
    found = minute(3, [], RATE)
    assert (found.minute, found.number_of_beats, found.mean_rate, found.longest_pause) == (3, 0, None, None)


def test_a_minute_is_a_row_of_less_than_20_kilobytes() -> None:
    rate, begin = 1e6, 44_000
    filled = []
    for k in range(SEGMENTS * begin, SEGMENTS * (begin + 1)):
        inner = bounds(k, rate)
        # As many beats as the refractory period allows, and gaps as are kept apart, on as many leads as there may be.
        beats = tuple(range(inner.start, inner.stop, 200_000))
        gaps = tuple((first, 10) for first in range(inner.start, inner.stop, 500_000))
        filled.append(Segment(inner.start, inner.stop, beats, (1.23e-12,) * 16 + (0.0,) * 48, gaps))
    assert len(msgspec.json.encode(minute(begin, filled, rate))) < 20_000


def test_totals_agree_with_the_rhythm_of_the_whole_ecg() -> None:
    rate, seconds = 257.3, 125.0
    onsets = np.concatenate((regular(0.8, 60), np.arange(66, 124, 0.6)))
    rows = digitised(signals(onsets, rate, seconds, noise_mv=0.02)[[1, 7]])
    leads = [Lead(name, row, 1000.0) for name, row in zip(("II", "V2"), rows, strict=True)]
    whole = rhythm(Recording(leads, rate))
    found = summary(totals_of(list(single_pass(leads, rate))), rate)
    assert found.number_of_beats == whole.number_of_beats
    assert found.mean_rate == pytest.approx(whole.heart_rate_bpm, abs=0.02)
    assert found.longest_pause is not None
    assert whole.longest_pause_ms is not None
    assert found.longest_pause.seconds == pytest.approx(whole.longest_pause_ms / 1000, abs=0.01)
    assert found.rate_now == pytest.approx(100, abs=0.5)
    assert found.least_rate == pytest.approx(60 * INTERVALS / (66 - regular(0.8, 60)[-INTERVALS]), abs=0.5)


def test_answers_have_the_fields_of_minutes_and_summaries() -> None:
    shown = {field.name for field in msgspec.structs.fields(Minute)} - {"segments"} | {"beats"}
    assert set(schemas.Minute.model_fields) == shown
    assert set(schemas.Beats.model_fields) == {field.name for field in msgspec.structs.fields(Summary)}
    assert set(schemas.Pause.model_fields) == {field.name for field in msgspec.structs.fields(Pause)}
