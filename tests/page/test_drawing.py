"""The layout, the samples and the events: the page's pure modules."""

from typing import Any

import numpy as np
import pytest

from stream_agents.insights.zero_crossings import count_zero_crossings
from tests.page.tab import Tab

TWELVE = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
RANDOM = np.random.default_rng(12)


async def layouts(tab: Tab, names: list[str]) -> Any:
    return await tab.run("async names => (await import('/page/ecg/layout.js')).layoutsOf(names)", names)


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, "Lead {}".format, "ECG_{}".format])
async def test_twelve_leads_have_the_standard_layout_in_any_case_and_order(modules: Tab, spell: Any) -> None:
    names = [spell(name) for name in RANDOM.permutation(TWELVE)]
    standard, rows = await layouts(modules, names)
    assert (standard["kind"], rows["kind"]) == ("standard", "rows")
    drawn = [[standard["names"][track["lead"]] for track in row] for row in standard["rows"]]
    assert drawn == [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]]
    assert [track["start"] for track in standard["rows"][0]] == [0, 2.5, 5, 7.5]
    assert len(rows["rows"]) == 12


@pytest.mark.parametrize("names", [TWELVE[:-1], [*TWELVE, "V7"], [*TWELVE[:-1], "V1"], ["MLII", "V5"], ["x"] * 12])
async def test_other_leads_have_a_row_each(modules: Tab, names: list[str]) -> None:
    [layout] = await layouts(modules, names)
    assert [[track["lead"] for track in row] for row in layout["rows"]] == [[i] for i in range(len(names))]


async def test_a_column_shows_its_part_of_every_ten_seconds(modules: Tab) -> None:
    script = "async ([track, from, to]) => (await import('/page/ecg/layout.js')).parts(track, from, to)"
    track = {"lead": 0, "start": 2.5, "end": 5, "every": 10}
    assert await modules.run(script, [track, 3, 14]) == [{"start": 3, "end": 5}, {"start": 12.5, "end": 14}]
    assert await modules.run(script, [track, 5, 12]) == []


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
