"""The layout, the samples and the events: the page's pure modules."""

from typing import Any

import numpy as np
import pytest

from stream_agents.insights.zero_crossings import count_zero_crossings
from tests.page.tab import Tab
from tests.support.heartbeats import digitised, regular, signals

TWELVE = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
RANDOM = np.random.default_rng(12)


async def layouts(tab: Tab, names: list[str]) -> Any:
    return await tab.run("async names => (await import('/page/ecg/layout.js')).layoutsOf(names)", names)


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, "Lead {}".format, "ECG_{}".format])
async def test_twelve_leads_have_the_standard_layout_in_any_case_and_order(modules: Tab, spell: Any) -> None:
    names = [spell(name) for name in RANDOM.permutation(TWELVE)]
    found = {layout["kind"]: layout for layout in await layouts(modules, names)}
    assert list(found) == ["standard", "six", "cabrera", "rows"]

    def drawn(kind: str) -> list[list[str]]:
        layout = found[kind]
        return [["-" * (t["sign"] < 0) + layout["names"][t["lead"]] for t in row] for row in layout["rows"]]

    assert drawn("standard") == [
        ["I", "aVR", "V1", "V4"],
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ]
    assert [track["start"] for track in found["standard"]["rows"][0]] == [0, 2.5, 5, 7.5]
    assert drawn("six") == [["I", "V1"], ["II", "V2"], ["III", "V3"], ["aVR", "V4"], ["aVL", "V5"], ["aVF", "V6"]]
    assert [row[0] for row in drawn("cabrera")] == ["aVL", "I", "-aVR", "II", "aVF", "III"]
    assert [track["start"] for track in found["cabrera"]["rows"][2]] == [0, 5]
    assert len(found["rows"]["rows"]) == 12


@pytest.mark.parametrize("names", [TWELVE[:-1], [*TWELVE, "V7"], [*TWELVE[:-1], "V1"], ["MLII", "V5"], ["x"] * 12])
async def test_other_leads_have_a_row_each(modules: Tab, names: list[str]) -> None:
    [layout] = await layouts(modules, names)
    assert [[track["lead"] for track in row] for row in layout["rows"]] == [[i] for i in range(len(names))]


async def test_a_column_shows_its_part_of_every_ten_seconds(modules: Tab) -> None:
    script = "async ([track, from, to]) => (await import('/page/ecg/layout.js')).parts(track, from, to)"
    track = {"lead": 0, "start": 2.5, "end": 5, "every": 10, "shift": 0}
    assert await modules.run(script, [track, 3, 14]) == [{"start": 3, "end": 5}, {"start": 12.5, "end": 14}]
    assert await modules.run(script, [track, 5, 12]) == []


async def test_a_line_of_the_overview_shows_its_minute_at_the_left(modules: Tab) -> None:
    script = """async () => {
        const {overviewOf, parts} = await import("/page/ecg/layout.js");
        return overviewOf(["II"], 0, 130).rows.map(([track]) => [track.shift, parts(track, 0, 60)]);
    }"""
    assert await modules.run(script) == [[i * 60, [{"start": i * 60, "end": i * 60 + 60}]] for i in range(3)]


ROOMS = """async ([needs, gain, available, closest]) =>
    (await import("/page/ecg/rooms.js")).roomsOf(needs, gain, available, closest)"""


async def test_rooms_are_as_high_as_waves_need_and_baselines_stand_on_bold_lines(modules: Tab) -> None:
    needs = [{"up": 0.5, "down": 0.2}, {"up": 2.3, "down": 1.2}]
    rooms = await modules.run(ROOMS, [needs, 10, 500, 0.7])
    assert rooms == [{"top": 0, "zero": 15, "height": 25}, {"top": 25, "zero": 50, "height": 40}]
    [low, high] = await modules.run(ROOMS, [needs, 20, 500, 0.7])
    assert (low["height"], high["zero"] - high["top"], high["height"]) == (25, 50, 75)


async def test_rooms_come_closer_but_keep_the_edges_of_the_paper(modules: Tab) -> None:
    needs = [{"up": 1.5, "down": 1}] * 12
    rooms = await modules.run(ROOMS, [needs, 10, 240, 0.5])
    assert rooms[-1]["top"] + rooms[-1]["height"] <= 240
    assert rooms[0]["zero"] == 15
    assert rooms[-1]["height"] - (rooms[-1]["zero"] - rooms[-1]["top"]) == 10
    assert all(room["zero"] == int(room["zero"]) for room in rooms)
    closest = await modules.run(ROOMS, [needs, 10, 10, 0.7])
    assert closest[-1]["top"] > 0.6 * 11 * 25


REACH = """async ([signal, gain, rate]) => {
    const {Signal} = await import("/page/ecg/signal.js");
    return (await import("/page/ecg/rooms.js")).reachOf(new Signal(signal), gain, rate);
}"""


async def test_an_artefact_gets_no_room_and_an_offset_is_taken_away(modules: Tab) -> None:
    signal = np.tile([*[0] * 400, 1500, -500, *[0] * 98], 20)
    reach = await modules.run(REACH, [signal.tolist(), 1000, 500])
    assert reach == {"offset": 0, "least": -0.5, "most": 1.5}
    signal[2000:2010] = 30_000
    assert (await modules.run(REACH, [signal.tolist(), 1000, 500]))["most"] == 4.5
    moved = await modules.run(REACH, [(signal + 5000).tolist(), 1000, 500])
    assert (moved["offset"], moved["most"]) == (5, 4.5)
    assert await modules.run(REACH, [[], 1000, 500]) == {"offset": 0, "least": 0, "most": 0}


FILTER = """async ([samples, names, rate]) =>
    [...(await import("/page/ecg/filters.js")).filtered(samples, names, rate)]"""


@pytest.mark.parametrize(
    ("name", "hertz", "share"),
    [
        ("mains50", 50, 0),
        ("mains50", 10, 1),
        ("mains60", 60, 0),
        ("mains60", 50, 1),
        ("muscle", 5, 1),
        ("muscle", 40, 0.5),
        ("muscle", 120, 0),
        ("baseline", 0.1, 0),
        ("baseline", 0.5, 0.5),
        ("baseline", 5, 1),
    ],
)
async def test_filters_take_their_frequencies_away_and_move_nothing(
    modules: Tab, name: str, hertz: float, share: float
) -> None:
    rate = 500
    wave = np.sin(2 * np.pi * hertz * np.arange(20 * rate) / rate)
    kept = np.array(await modules.run(FILTER, [wave.tolist(), [name], rate]))
    assert kept.size == wave.size
    middle = slice(5 * rate, 15 * rate)
    assert np.abs(kept - share * wave)[middle].max() < 0.06
    # The hum is gone at both ends too.
    if name.startswith("mains") and not share:
        assert np.abs(kept).max() < 0.06


async def test_a_filter_that_a_sampling_rate_is_too_low_for_changes_nothing(modules: Tab) -> None:
    samples = RANDOM.integers(-100, 100, 300).tolist()
    assert await modules.run(FILTER, [samples, ["mains50", "mains60"], 100]) == samples
    assert await modules.run(FILTER, [[7], ["baseline"], 500]) == [7]


async def test_calipers_measure_time_rate_and_amplitude_and_march(modules: Tab) -> None:
    script = """async ([legs, from, to]) => {
        const {marches, measured, readout} = await import("/page/ecg/calipers.js");
        return [measured({legs}), marches({legs}, from, to), readout({legs})];
    }"""
    legs = [{"time": 2, "millivolts": 0.5}, {"time": 1.2, "millivolts": -0.7}]
    values, times, text = await modules.run(script, [legs, 0, 4])
    assert (values["seconds"], values["rate"]) == (pytest.approx(0.8), pytest.approx(75))
    assert times == pytest.approx([0.4, 1.2, 2, 2.8, 3.6])
    assert text == "800 ms · 75.0 /min · \N{MINUS SIGN}1.20 mV"
    assert (await modules.run(script, [[legs[0], legs[0]], 0, 4]))[:2] == [
        {"seconds": 0, "rate": None, "millivolts": 0},
        [],
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("75", 75), ("1:15", 75), ("1:15.5", 75.5), ("1:02:03", 3723), (" 0:05,5 ", 5.5)]
    + [(text, None) for text in ("", "x", "-1", "1:", "1:2:3:4", "1e3")],
)
async def test_times_are_read_as_they_are_written(modules: Tab, text: str, seconds: float | None) -> None:
    assert await modules.run("async text => (await import('/page/ecg/clock.js')).secondsOf(text)", text) == seconds


async def test_the_rate_over_time_is_a_running_median(modules: Tab) -> None:
    beats = np.cumsum([0, *[500] * 10, 250, 250, *[250] * 10])
    script = """async ([beats, rate]) => {
        const {ratesOf} = await import("/page/ecg/heart_rate.js");
        const {times, rates} = ratesOf(beats, rate);
        return [[...times], [...rates]];
    }"""
    times, rates = await modules.run(script, [beats.tolist(), 500])
    assert times == (beats[1:] / 500).tolist()
    assert (rates[:8], rates[-8:]) == ([60] * 8, [120] * 8)
    once_missed = np.delete(beats[:11], 5)
    assert set((await modules.run(script, [once_missed.tolist(), 500]))[1]) == {60}


async def test_the_median_beat_is_the_beat_without_its_noise(modules: Tab) -> None:
    values = signals(regular(0.8, 20), 500, 20, noise_mv=0.05)
    clean = signals(regular(0.8, 20), 500, 20, noise_mv=0)
    beats = np.rint((regular(0.8, 20) + 0.045) * 500).astype(int)
    script = """async ([leads, beats, rate]) => {
        const {medianBeat} = await import("/page/ecg/median_beat.js");
        const beat = medianBeat(leads.map(samples => ({samples, gain: 1000})), beats, rate);
        return {...beat, values: beat.values.map(row => [...row])};
    }"""
    rows = [row.tolist() for row in digitised(values)]
    beat = await modules.run(script, [rows, beats.tolist(), 500])
    assert beat["count"] > 15
    start = beats[5] - beat["mark"]
    for row, one in zip(np.array(beat["values"]), clean, strict=True):
        expected = one[start : start + row.size]
        assert np.abs(row - expected).max() < 0.08
        assert np.sqrt(np.mean((row - expected) ** 2)) < 0.03


async def test_every_key_does_one_thing(modules: Tab) -> None:
    script = """async () => {
        const {KEYS, actionOf} = await import("/page/ecg/keys.js");
        const keys = KEYS.flatMap(({actions}) => Object.entries(actions));
        return keys.map(([key, action]) => [key, action, actionOf({
            key: key.replace("Shift+", ""), shiftKey: key.startsWith("Shift+") || key === "?",
        })]);
    }"""
    found = await modules.run(script)
    assert all(action == done for _, action, done in found)
    assert len({key for key, _, _ in found}) == len(found)
    one = "async event => (await import('/page/ecg/keys.js')).actionOf(event) ?? null"
    assert await modules.run(one, {"key": "c", "ctrlKey": True}) is None
    assert await modules.run(one, {"key": "C"}) == "calipers"
    assert await modules.run(one, {"key": "C", "shiftKey": True}) is None


CROSSINGS = """async signal => {
    const {Signal} = await import("/page/ecg/signal.js");
    return [...new Signal(signal).crossings];
}"""


@pytest.mark.parametrize("reach", [1, 3, 2**40])
async def test_crossings_are_marked_where_the_insight_counts_them(modules: Tab, reach: int) -> None:
    signal = RANDOM.integers(-reach, reach + 1, 3000)
    marked = await modules.run(CROSSINGS, signal.tolist())
    assert len(marked) == count_zero_crossings([signal])[0]
    before, now = signal[np.array(marked) - 1], signal[marked]
    assert (((now == 0) & (before != 0)) | (np.sign(now) * np.sign(before) < 0)).all()


@pytest.mark.parametrize("signal", [[], [0], [5], [1, 0, -1, 0, 1, 0, 0, 1], [1, 0, -1]])
async def test_short_signals_have_the_crossings_of_the_definition(modules: Tab, signal: list[int]) -> None:
    assert len(await modules.run(CROSSINGS, signal)) == count_zero_crossings([np.array(signal, np.int64)])[0]


POLYLINE = """async ([signal, from, to, resolution]) => {
    const {Signal, polyline} = await import("/page/ecg/signal.js");
    return [...polyline(new Signal(signal), from, to, resolution)];
}"""


@pytest.mark.parametrize("resolution", [0.2, 1, 3.9, 4, 17, 300, 5000])
@pytest.mark.parametrize("length", [1, 5, 999, 4096])
async def test_no_peak_is_lost_and_the_number_of_points_depends_on_the_pixels(
    modules: Tab, resolution: float, length: int
) -> None:
    signal = RANDOM.integers(-1000, 1001, length)
    signal[length // 3] = 30_000
    points = np.array(await modules.run(POLYLINE, [signal.tolist(), 0, length, resolution])).reshape(-1, 2)
    assert (points[:, 1].min(), points[:, 1].max()) == (signal.min(), 30_000)
    assert (np.diff(points[:, 0]) > 0).all()
    # The line has the peak at the right place, to within a pixel.
    peak = points[points[:, 1].argmax(), 0]
    assert abs(peak - length // 3) <= max(resolution, 1)
    assert len(points) <= min(length, 4 * length / resolution) + 4


async def test_only_visible_samples_are_drawn(modules: Tab) -> None:
    points = np.array(await modules.run(POLYLINE, [list(range(1000)), 100.5, 110.2, 1])).reshape(-1, 2)
    assert points[:, 0].tolist() == list(range(100, 112))
    assert await modules.run(POLYLINE, [[1, 2], 5, 9, 1]) == []


PARSE = """async pieces => {
    const {EventParser} = await import("/page/events.js");
    const parser = new EventParser();
    return [pieces.flatMap(piece => parser.push(piece)), parser.lastId];
}"""
STREAM = (
    ': keep-alive\n\nevent: insights\r\nid: 7\r\ndata: {"a":\r\ndata:1}\r\n\r\n'
    "data: x\n\nid: 8\n\nevent: lost\ndata: y\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_parsed_from_pieces_of_any_size(modules: Tab, size: int) -> None:
    pieces = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    events, last = await modules.run(PARSE, pieces)
    assert events == [{"event": "insights", "data": '{"a":\n1}'}, {"event": "message", "data": "x"}]
    assert last == "8"
