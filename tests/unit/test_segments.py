"""The beats of long recordings, segment by segment, of synthetic ECGs whose beats are known."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ecg import Lead, Ranges, cut
from shared.messages.beats import Segment
from stream_agents.insights.beats import find_beats
from stream_agents.insights.recording import Recording
from stream_agents.recordings.segments import PAST, REACH, bounds, detect, segment_of, single_pass, window
from tests.support.heartbeats import NAMES, Heart, digitised, regular, signals

RATES = (100.0, 125.0, 257.3, 500.0)
# The time from the onset of a QRS complex to its centre.
CENTRE = 0.045
TWO = ("I", "V1")


def leads(values: NDArray[np.float64], names: tuple[str, ...] = NAMES, missing: Ranges = ()) -> list[Lead]:
    rows = digitised(values)
    for first, count in missing:
        for row in rows:
            row[first : first + count] = 0
    return [Lead(name, row.astype(np.int16), 1000.0, missing) for name, row in zip(names, rows, strict=False)]


@functools.cache
def two_leads(rate: float, seconds: float, rr: float = 0.8) -> NDArray[np.float64]:
    return signals(regular(rr, seconds), rate, seconds, noise_mv=0.02)[[0, 6]]


def beats(segments: list[Segment]) -> NDArray[np.int64]:
    return np.array([beat for segment in segments for beat in segment.beats], np.int64)


def errors(found: NDArray[np.int64], onsets: NDArray[np.float64], rate: float) -> tuple[int, int]:
    """Return the number of beats that were missed, and of those found at other places."""
    at = found / rate - CENTRE
    missed = sum(not np.any(np.abs(at - onset) < 0.06) for onset in onsets)
    wrong = sum(not np.any(np.abs(onsets - one) < 0.06) for one in at)
    return missed, wrong


def with_pause(before: float, pause: float, after: float = 30.0) -> tuple[NDArray[np.float64], float]:
    """Return onsets with a pause, and the seconds of the recording."""
    onsets = np.concatenate((np.arange(0.6, before, 0.8), before + pause + np.arange(0, after, 0.8)))
    return onsets, float(onsets[-1]) + 0.6


@given(
    rate=st.floats(0.5, 1e6) | st.sampled_from([257.3, 128.0, 1000 / 3, 0.1, 360.0]),
    k=st.integers(0, 31 * 8640),
)
def test_segments_follow_each_other_without_a_gap(rate: float, k: int) -> None:
    assert bounds(k, rate).stop == bounds(k + 1, rate).start
    assert bounds(0, rate).start == 0
    inner = bounds(k, rate)
    for sample in (inner.start, inner.stop - 1):
        assert segment_of(sample, rate) == k
    around = window(k, rate)
    assert around.start == max(0, inner.start - (around.stop - inner.stop))
    assert around.stop - inner.stop >= 2 * rate


@pytest.mark.parametrize("rate", RATES)
def test_every_beat_is_found_once(rate: float) -> None:
    # 1/8 s from one segment to the next: beats are at every place of the grid's borders.
    onsets = regular(0.79, 200)
    found = list(single_pass(leads(signals(onsets, rate, 200)), rate))
    assert errors(beats(found), onsets, rate) == (0, 0)
    assert np.all(np.diff(beats(found)) > 0.7 * rate)
    for k, segment in enumerate(found):
        inner = bounds(k, rate)
        assert segment.first == inner.start
        assert segment.end == min(inner.stop, 200 * rate)
        assert all(segment.first <= beat < segment.end for beat in segment.beats)


@given(shift=st.floats(0, 0.2), seed=st.integers(0, 99), noise=st.sampled_from([0.01, 0.03, 0.06]))
@settings(max_examples=25, deadline=None)
def test_a_beat_at_a_border_belongs_to_one_segment(shift: float, seed: int, noise: float) -> None:
    # A complex around each border: its centre is up to a tenth of a second before or after it.
    onsets = np.arange(0.855 + shift, 49, 1.0)
    values = signals(onsets, 250.0, 50, noise_mv=noise, seed=seed)[[0, 6]]
    found = beats(list(single_pass(leads(values, TWO), 250.0)))
    assert errors(found, onsets, 250.0) == (0, 0)


def test_a_beat_that_two_segments_each_place_on_the_others_side_is_the_later_segments_first() -> None:
    rate = 250.0
    onsets = np.arange(0.927, 49, 1.0)
    values = leads(signals(onsets, rate, 50)[[0, 6]], TWO)
    there, border = window(1, rate), bounds(1, rate).start
    inside = [cut(lead, there) for lead in values]
    before = next(single_pass(values, rate))
    assert before.beats[-1] == border - 1
    assert detect(inside, there.start, rate, 1, [before]).beats[0] > border + 200
    unseen = Segment(0, border, before.beats[:-1], before.levels)
    assert detect(inside, there.start, rate, 1, [unseen]).beats[0] == border


@pytest.mark.parametrize("rate", RATES)
def test_segments_agree_with_the_whole_ecg(rate: float) -> None:
    rng = np.random.default_rng(5)
    onsets = 0.6 + np.cumsum(rng.uniform(0.45, 1.3, 150))
    onsets = onsets[onsets < 119]
    values = leads(signals(onsets, rate, 120, noise_mv=0.04))
    whole = find_beats(Recording(values, rate)).samples
    found = beats(list(single_pass(values, rate)))
    assert found.size == whole.size
    assert np.abs(found - whole).max() <= max(1, 0.004 * rate)


@given(k=st.integers(0, 8), noise=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_segment_depends_on_its_window_and_the_six_before_alone(k: int, noise: int) -> None:
    rate = 125.0
    values = leads(two_leads(rate, 100.0), TWO)
    found = list(single_pass(values, rate))
    rng = np.random.default_rng(noise)
    outside = [lead.signal.copy() for lead in values]
    there = window(k, rate)
    for row in outside:
        row[: there.start] = rng.integers(-3000, 3000, there.start)
        row[there.stop :] = 0
    changed = [cut(Lead(lead.name, row, 1000.0), there) for lead, row in zip(values, outside, strict=True)]
    assert detect(changed, there.start, rate, k, found[max(0, k - PAST) : k]) == found[k]


def test_no_more_of_the_past_is_looked_at() -> None:
    rate = 125.0
    there = window(7, rate)
    inside = [cut(lead, there) for lead in leads(two_leads(rate, 100.0), TWO)]
    loud = Segment(0, 1, levels=(1e9, 1e9))
    quiet = [Segment(0, 1)] * PAST
    assert detect(inside, there.start, rate, 7, [loud, loud, *quiet]) == detect(inside, there.start, rate, 7, quiet)


def test_levels_do_not_depend_on_the_past() -> None:
    rate = 125.0
    there = window(3, rate)
    inside = [cut(lead, there) for lead in leads(two_leads(rate, 100.0), TWO)]
    loud = [Segment(0, 1, levels=(1e9, 1e9))] * PAST
    assert detect(inside, there.start, rate, 3, loud).beats == ()
    assert detect(inside, there.start, rate, 3, loud).levels == detect(inside, there.start, rate, 3, []).levels != ()


def test_a_change_reaches_as_many_segments_as_it_says() -> None:
    rate = 125.0
    values = two_leads(rate, 200.0)
    changed = values.copy()
    changed[:, round(55 * rate) : round(56 * rate)] *= 40
    before, after = (list(single_pass(leads(of, TWO), rate)) for of in (values, changed))
    assert before[5] != after[5]
    assert before[5 + REACH + 1 :] == after[5 + REACH + 1 :]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pause", [10.0, 25.0, 40.0])
@pytest.mark.parametrize("before", [21.3, 27.7, 64.1])
@pytest.mark.parametrize("chosen", [[1], [1, 6], range(12)], ids=["one lead", "two leads", "twelve leads"])
def test_noise_in_a_pause_is_no_beats(rate: float, pause: float, before: float, chosen: list[int]) -> None:
    onsets, seconds = with_pause(before, pause)
    values = signals(onsets, rate, seconds, noise_mv=0.015, seed=round(pause))[list(chosen)]
    found = list(single_pass(leads(values, tuple(NAMES[lead] for lead in chosen)), rate))
    assert errors(beats(found), onsets, rate) == (0, 0)


@pytest.mark.parametrize(("rate", "noise"), [(125.0, 0.06), (250.0, 0.03)])
def test_noise_in_a_pause_is_no_beats_on_leads_that_are_hardly_more_than_noise(rate: float, noise: float) -> None:
    onsets, seconds = with_pause(21.3, 20.0)
    found = list(single_pass(leads(signals(onsets, rate, seconds, noise_mv=noise, seed=426)), rate))
    assert errors(beats(found), onsets, rate) == (0, 0)
    assert found[0].levels[NAMES.index("aVL")] == 0.0


@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_a_pause_without_noise_or_with_much_is_a_pause(noise: float) -> None:
    onsets, seconds = with_pause(47.3, 40.0)
    values = signals(onsets, 500.0, seconds, noise_mv=noise)[[1, 6]]
    found = list(single_pass(leads(values, TWO), 500.0))
    assert errors(beats(found), onsets, 500.0) == (0, 0)


@pytest.mark.parametrize("rr", [0.27, 0.3, 0.4])
@pytest.mark.parametrize("slow", [0.0, 60.0])
def test_a_fast_tachycardia_is_beats_from_the_start_or_after_a_slow_rhythm(rr: float, slow: float) -> None:
    onsets = np.concatenate((regular(0.8, slow), np.arange(slow + 0.6, slow + 59, rr)))
    heart = Heart(p=0, qt=0.25, qrs=0.08)
    found = list(single_pass(leads(signals(onsets, 250.0, slow + 60, heart, noise_mv=0.02)), 250.0))
    assert errors(beats(found), onsets, 250.0) == (0, 0)


def test_a_fast_tachycardia_need_not_be_as_regular_as_a_clock() -> None:
    rate = 250.0
    onsets = 0.6 + np.cumsum(0.25 * (1 + 0.05 * np.random.default_rng(0).standard_normal(400)))
    values = leads(signals(onsets, rate, 101, Heart(p=0, qt=0.25, qrs=0.08), noise_mv=0.02))
    unclear = 0
    for k in range(8):
        there, inner = window(k, rate), bounds(k, rate)
        found = detect([cut(lead, there) for lead in values], there.start, rate, k, [])
        unclear += not found.levels
        inside = onsets[(onsets > inner.start / rate) & (onsets < inner.stop / rate - 0.1)]
        assert errors(np.array(found.beats), inside, rate)[0] == 0
    assert unclear


def test_an_irregular_rhythm_in_noise_is_clear() -> None:
    rate = 250.0
    onsets = 0.6 + np.cumsum(np.random.default_rng(5).uniform(0.45, 1.3, 60))
    values = signals(onsets, rate, float(onsets[-1]) + 0.6, noise_mv=0.1)[[0, 6]]
    found = list(single_pass(leads(values, TWO), rate))
    assert errors(beats(found), onsets, rate)[0] == 0
    assert all(segment.levels for segment in found)


def test_a_fast_tachycardia_is_beats_if_one_lead_alone_was_clear_before() -> None:
    rate = 250.0
    onsets = np.arange(0.6, 99, 0.27)
    values = leads(signals(onsets, rate, 100, Heart(p=0, qt=0.25, qrs=0.08), noise_mv=0.02))
    there = window(5, rate)
    inside = [cut(lead, there) for lead in values]
    slow = leads(signals(regular(0.8, 40), rate, 40))
    level = max(next(single_pass(slow, rate)).levels)
    past = [Segment(0, 1, levels=(0.0, level, *[0.0] * 10))] * PAST
    found = detect(inside, there.start, rate, 5, past)
    assert not any(found.levels)
    assert found.beats == detect(inside, there.start, rate, 5, []).beats
    assert len(found.beats) == 37


def test_leads_that_were_never_clear_make_no_beats_of_noise() -> None:
    rate = 250.0
    there = window(5, rate)
    noise = 0.01 * np.random.default_rng(0).standard_normal((2, len(there)))
    past = [Segment(0, 1, levels=(5e5, 0.0))] * PAST
    assert detect(leads(noise, TWO), there.start, rate, 5, past).beats == ()


def test_one_loud_segment_does_not_silence_those_after_it() -> None:
    rate = 125.0
    there = window(7, rate)
    inside = [cut(lead, there) for lead in leads(two_leads(rate, 100.0), TWO)]
    plain = detect(inside, there.start, rate, 7, [])
    usual = Segment(0, 1, levels=plain.levels)
    loud = Segment(0, 1, levels=tuple(1e4 * level for level in plain.levels))
    assert detect(inside, there.start, rate, 7, [usual, usual, loud, usual, usual, usual]).beats == plain.beats != ()


@pytest.mark.parametrize("chosen", [1, 2, 12])
@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_noise_alone_is_hardly_ever_beats(rate: float, chosen: int) -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal((chosen, round(900 * rate)))
    found = list(single_pass(leads(noise), rate))
    assert sum(bool(segment.beats) for segment in found) <= 2
    assert not any(segment.levels for segment in found)


def test_two_seconds_of_noise_are_seldom_beats() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal((100, 1, 500))
    assert sum(bool(beats(list(single_pass(leads(values), 250.0))).size) for values in noise) <= 12


@pytest.mark.parametrize("chosen", [[1, 6], range(12)], ids=["two leads", "twelve leads"])
@pytest.mark.parametrize("rate", [125.0, 500.0])
def test_the_noise_of_a_pause_of_many_minutes_is_hardly_ever_beats(rate: float, chosen: list[int]) -> None:
    values = signals(regular(0.8, 120), rate, 1320, noise_mv=0.015)[list(chosen)]
    found = list(single_pass(leads(values, tuple(NAMES[lead] for lead in chosen)), rate))
    assert sum(bool(segment.beats) for segment in found if segment.first > 120 * rate) <= 4


def test_flat_leads_without_a_past_are_no_beats() -> None:
    # Electrodes that are off: less than five microvolts.
    noise = np.random.default_rng(0).integers(-2, 3, (2, 20_000)) / 1000
    assert not beats(list(single_pass(leads(noise, TWO), 250.0))).size


def test_a_recording_that_ends_shortly_after_a_border_has_no_beats_at_its_end() -> None:
    rate, seconds = 257.3, 100.91
    onsets = regular(0.8, seconds, first=0.45)
    values = signals(onsets, rate, seconds, noise_mv=0.04)[[0, 6]]
    assert errors(beats(list(single_pass(leads(values, TWO), rate))), onsets, rate) == (0, 0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("how", ["flat", "noise", "missing"])
@pytest.mark.parametrize("at", [41.3, 44.9, 47.6, 49.7])
def test_a_lead_that_dies_leaves_the_beats_of_the_other(rate: float, how: str, at: float) -> None:
    values = two_leads(rate, 100.0).copy()
    first, stop = round(at * rate), round((at + 25) * rate)
    values[1, first:stop] = {"flat": values[1, first], "noise": 0.0, "missing": 0.0}[how]
    if how == "noise":
        values[1, first:stop] = np.random.default_rng(0).standard_normal(stop - first)
    given_ = leads(values, TWO)
    if how == "missing":
        given_[1] = Lead(given_[1].name, given_[1].signal, 1000.0, ((first, stop - first),))
    found = list(single_pass(given_, rate))
    missed, wrong = errors(beats(found), regular(0.8, 100.0), rate)
    assert missed == 0
    # Where noise begins or ends, it may look like one complex.
    assert wrong <= (how == "noise")


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("at", [41.3, 44.9, 47.6, 49.7])
def test_when_all_leads_become_flat_the_beats_before_and_after_are_found(rate: float, at: float) -> None:
    onsets = regular(0.8, 100.0)
    values = two_leads(rate, 100.0).copy()
    values[:, round(at * rate) : round((at + 25) * rate)] = 0.0
    sound = onsets[(onsets < at - 0.2) | (onsets > at + 25.1)]
    found = beats(list(single_pass(leads(values, TWO), rate)))
    assert errors(found, sound, rate)[0] == 0
    assert not np.any((found > (at + 0.2) * rate) & (found < (at + 24.8) * rate))


@given(
    begin=st.floats(5, 45),
    seconds=st.sampled_from([0.02, 0.3, 0.6, 1.0, 4.0, 9.0, 15.0, 40.0]),
    rate=st.sampled_from(RATES),
)
@settings(max_examples=25, deadline=None)
def test_a_gap_leaves_the_beats_around_it(begin: float, seconds: float, rate: float) -> None:
    first, count = round(begin * rate), max(1, round(seconds * rate))
    onsets = regular(0.8, 100.0)
    found = list(single_pass(leads(two_leads(rate, 100.0), TWO, ((first, count),)), rate))
    at = beats(found)
    assert not np.any((at >= first) & (at < first + count))
    whole = (onsets + 0.3 < begin) | (onsets - 0.3 > begin + count / rate)
    near = np.abs(onsets[:, None] + CENTRE - at / rate).min(axis=1)
    assert np.all(near[whole] < 0.06)
    assert at.size <= onsets.size
    assert sum(length for segment in found for _, length in segment.gaps) == count


def test_beats_between_many_short_gaps_are_found() -> None:
    rate = 250.0
    # Packets of 20 ms that were lost, between beats.
    missing = tuple((round((onset - 0.3) * rate), 5) for onset in regular(0.8, 100.0))
    found = beats(list(single_pass(leads(two_leads(rate, 100.0), TWO, missing), rate)))
    assert errors(found, regular(0.8, 100.0), rate) == (0, 0)


def test_signal_between_two_gaps_is_searched() -> None:
    rate = 250.0
    missing = ((round(40 * rate), round(6 * rate)), (round(49.5 * rate), round(20 * rate)))
    found = beats(list(single_pass(leads(two_leads(rate, 100.0), TWO, missing), rate)))
    between = found[(found > 46 * rate) & (found < 49.5 * rate)] / rate - CENTRE
    onsets = regular(0.8, 100.0)
    sound = onsets[(onsets > 46.2) & (onsets < 49.2)]
    assert np.all(np.abs(sound[:, None] - between).min(axis=1) < 0.06)


def test_gaps_are_the_ranges_without_any_lead_that_shows_the_heart() -> None:
    rate = 250.0
    values = np.vstack((two_leads(rate, 20.0), two_leads(rate, 20.0)[:1]))
    rows = [row.astype(np.int16) for row in digitised(values)]
    missing: list[Ranges] = [((1000, 500), (2400, 400)), ((1200, 500), (2000, 1000)), ()]
    of_heart = [
        Lead(name, row, 1000.0, ranges) for name, row, ranges in zip((*TWO, "Pleth"), rows, missing, strict=True)
    ]
    found = list(single_pass(of_heart, rate))
    assert [segment.gaps for segment in found] == [((1200, 300), (2400, 100)), ((2500, 300),)]


def test_gaps_of_a_hostile_recording_are_few() -> None:
    rate = 1000.0
    missing = tuple((first, 1) for first in range(0, 20_000, 2))
    for segment in single_pass(leads(two_leads(rate, 20.0), TWO, missing), rate):
        assert segment.gaps == ((segment.first, 9999),)


def test_a_recording_without_signal_has_segments_without_beats() -> None:
    for values in (np.zeros((2, 3000)), np.ones((2, 3000))):
        found = list(single_pass(leads(values, TWO, ((0, 3000),)), 250.0))
        assert found == [Segment(0, 2500, gaps=((0, 2500),)), Segment(2500, 3000, gaps=((2500, 500),))]
    assert list(single_pass(leads(np.ones((2, 3000)), TWO), 250.0)) == [Segment(0, 2500), Segment(2500, 3000)]
    assert detect([Lead("I", np.zeros(0, np.int16))], 0, 250.0, 0, []) == Segment(0, 0)


def test_below_100_hz_no_beats_are_searched_for() -> None:
    assert not beats(list(single_pass(leads(two_leads(99.0, 40.0), TWO), 99.0))).size
    assert list(single_pass(leads(np.ones((2, 3)), TWO), 0.1)) == [Segment(first, first + 1) for first in range(3)]


def test_an_artefact_costs_the_beats_within_it_alone() -> None:
    rate = 257.3
    values = two_leads(rate, 120.0).copy()
    first, stop = round(3 * rate), round(14 * rate)
    values[:, first:stop] += 4 * np.random.default_rng(0).standard_normal((2, stop - first))
    found = beats(list(single_pass(leads(values, TWO), rate)))
    onsets = regular(0.8, 120.0)
    assert errors(found[found > 14.5 * rate], onsets[onsets > 14.5], rate) == (0, 0)


def test_beats_that_become_small_are_found_again_within_a_minute() -> None:
    rate = 250.0
    values = two_leads(rate, 240.0).copy()
    values[:, round(100 * rate) :] *= 0.05
    found = beats(list(single_pass(leads(values, TWO), rate)))
    onsets = regular(0.8, 240.0)
    assert errors(found[found > 170 * rate], onsets[onsets > 170], rate) == (0, 0)


def test_cut_leads_hold_their_part_of_what_is_missing() -> None:
    lead = Lead("I", np.arange(100, dtype=np.int16), 2.0, ((0, 5), (20, 20), (90, 10)))
    part = cut(lead, range(30, 95))
    assert part.signal.tolist() == list(range(30, 95))
    assert (part.name, part.adc_gain, part.missing) == ("I", 2.0, ((0, 10), (60, 5)))
    assert cut(lead, range(95, 200)).missing == ((0, 5),)
