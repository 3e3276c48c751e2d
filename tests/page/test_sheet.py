"""The sheet: what is drawn of an ECG, where, and how it is moved and measured."""

import itertools
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from numpy.typing import NDArray
from playwright.async_api import expect

from stream_agents.insights.zero_crossings import count_zero_crossings
from tests.page.tab import Tab
from tests.support.heartbeats import NAMES, digitised, regular, signals
from tests.support.paths import recordings
from tests.support.pipeline import Pipeline

_users = itertools.count()
PX_PER_MM = 96 / 25.4
WINDOWS = [
    (390, 844),
    (1440, 900),
    # A window of 1440 x 900 at 200 %.
    (720, 450),
    *(pytest.param(*size, marks=pytest.mark.slow) for size in [(1379, 900), (1380, 900), (2560, 1200)]),
]

# The calibration pulses, as pairs of the places of their feet and their tops in CSS pixels, from the top of the canvas;
# and for pixels of each colour, where they are.
PULSES = """([canvas, gutter]) => {
    const {width, height} = canvas;
    const ratio = width / canvas.clientWidth;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const runs = share => {
        // Without the foot, which has text.
        const rows = Math.round((canvas.clientHeight - 41) * ratio);
        const pixels = copy.getImageData(Math.round(gutter * share * ratio), 0, 1, rows).data;
        const found = [];
        for (let y = 0, dark = false; y < rows; y++) {
            const now = pixels[4 * y] < 160 && pixels[4 * y + 1] < 160;
            if (now && !dark) found.push(y / ratio);
            dark = now;
        }
        return found;
    };
    return [runs(0.17), runs(0.5)];
}"""
COLOURED = """([canvas, [red, green, blue], [left, top, right, bottom], far]) => {
    const {width, height} = canvas;
    const ratio = width / canvas.clientWidth;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const [x, y] = [Math.round(left * ratio), Math.round(top * ratio)];
    const [w, h] = [Math.round((right - left) * ratio), Math.round((bottom - top) * ratio)];
    const pixels = copy.getImageData(x, y, w, h).data;
    const found = [];
    for (let i = 0; i < pixels.length; i += 4) {
        if (Math.abs(pixels[i] - red) + Math.abs(pixels[i + 1] - green) + Math.abs(pixels[i + 2] - blue) < far)
            found.push([((i / 4) % w + x) / ratio, (Math.floor(i / 4 / w) + y) / ratio]);
    }
    return found;
}"""
# Each drawing writes what it has drawn.
DRAWS = """() => {
    const draws = {count: 0};
    const watch = new MutationObserver(changes => draws.count += changes.length);
    watch.observe(document.querySelector("#canvas"), {attributeFilter: ["data-time"]});
    return draws;
}"""
# Moves the paper in each of a number of frames.
MOVES = """async frames => {
    const position = document.querySelector("#position");
    for (let i = 1; i <= frames; i++) {
        position.value = i;
        position.dispatchEvent(new Event("input"));
        await new Promise(done => requestAnimationFrame(done));
    }
    await new Promise(done => requestAnimationFrame(done));
}"""
TRACE, LABEL, MARK, WARNING, CALIPER = (
    (0x15, 0x17, 0x1C),
    (0x2B, 0x2F, 0x38),
    (0x17, 0x63, 0xB6),
    (0xAB, 0x1F, 0x2B),
    (0x7A, 0x1F, 0xA2),
)


@pytest_asyncio.fixture
async def desk(tab: Tab, pipeline: Pipeline) -> AsyncIterator[Tab]:
    """The page of a new user."""
    await tab.sign_in(await pipeline.register(f"sheet-{next(_users)}"))
    yield tab


def write(path: Path, rows: NDArray[np.float64], names: tuple[str, ...] = NAMES, rate: float = 500) -> Path:
    """Write leads, in millivolts, as a recording."""
    leads = [
        {"name": name, "adc_gain": 1000, "signal": row.tolist()}
        for name, row in zip(names, digitised(rows), strict=True)
    ]
    path.write_bytes(orjson.dumps({"sampling_rate": rate, "leads": leads}))
    return path


def resting(seconds: float = 10, rate: float = 500) -> NDArray[np.float64]:
    return signals(regular(0.8, seconds), rate, seconds)


async def show(desk: Tab, path: Path) -> None:
    await desk.submit(path)
    await desk.show(path.name)
    await desk.drawn()


async def gutter_of(desk: Tab, speed: float = 25) -> float:
    """Return the width of the gutter in CSS pixels, of ten millimetres of paper."""
    return max(float((await desk.drawn())["speed"]) / speed, 0.5) * 10 * PX_PER_MM


async def pulses(desk: Tab, canvas: str = "#canvas") -> list[tuple[float, float]]:
    gutter = await gutter_of(desk)
    handle = await desk.page.locator(canvas).element_handle()
    feet, tops = await desk.run(PULSES, [handle, gutter])
    assert len(feet) == len(tops), (feet, tops)
    return list(zip(feet, tops, strict=True))


async def coloured(
    desk: Tab,
    colour: tuple[int, int, int],
    area: tuple[float, float, float, float],
    canvas: str = "#canvas",
    far: int = 12,
) -> list[list[float]]:
    """Return the places of the pixels of a colour within left, top, right and bottom; thin lines are paler than it."""
    handle = await desk.page.locator(canvas).element_handle()
    found: list[list[float]] = await desk.run(COLOURED, [handle, colour, area, far])
    return found


async def box_of(desk: Tab, selector: str) -> dict[str, float]:
    box = await desk.page.locator(selector).bounding_box()
    assert box is not None
    return dict(box)  # type: ignore[arg-type]


async def scale(desk: Tab) -> str:
    await desk.drawn()
    return await desk.page.locator("#scale").inner_text()


@pytest.mark.parametrize(("width", "height"), WINDOWS)
async def test_all_twelve_leads_are_in_the_window(desk: Tab, tmp_path: Path, width: int, height: int) -> None:
    await desk.page.set_viewport_size({"width": width, "height": height})
    await show(desk, write(tmp_path / "rest.json", resting()))
    drawn = await desk.drawn()
    assert drawn["layout"] == ("rows" if width == 390 else "standard")
    layouts = ["rows"] if width == 390 else ["standard", "six", "cabrera", *(["rows"] if height >= 900 else [])]
    for layout in layouts:
        await desk.page.get_by_label("Layout").select_option(layout)
        gutter = await gutter_of(desk)
        found = await pulses(desk)
        assert len(found) == {"standard": 4, "six": 6, "cabrera": 6, "rows": 12}[layout]
        # Each pulse is a millivolt high: ten millimetres, as wide as the gutter.
        assert [foot - top for foot, top in found] == pytest.approx([gutter] * len(found), abs=1.5)
        paper = await box_of(desk, "#canvas")
        assert found[-1][0] < paper["height"] - 40
        # The name of the lead at the end, V6, stands at the beginning of its part, in its room.
        x, row = {"standard": (0.75, -2), "six": (0.5, -1), "cabrera": (0.5, -1), "rows": (0, -1)}[layout]
        left = gutter + x * 10 * float((await desk.drawn())["speed"]) * PX_PER_MM
        foot, before = found[row][0], found[row - 1][0]
        assert await coloured(desk, LABEL, (left + 4, before, min(left + 40, paper["width"]), foot), far=40)
        await expect(desk.page.locator("#beyond")).to_be_empty()
    assert await desk.run("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


async def test_leads_that_do_not_fit_are_named_and_can_be_reached(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    await desk.page.get_by_label("Layout").select_option("rows")
    await desk.page.get_by_label("Gain").select_option("4")
    await desk.drawn()
    beyond = desk.page.locator("#beyond")
    await expect(beyond).to_contain_text("V6")
    for _ in range(12):
        if "\N{DOWNWARDS ARROW}" not in await beyond.inner_text():
            break
        await beyond.get_by_role("button").last.click()
        await desk.drawn()
    await expect(beyond).to_contain_text(re.compile("\N{UPWARDS ARROW} I"))
    await expect(beyond).not_to_contain_text("V6")
    # The frame has a scroll bar of its own, as any box that scrolls.
    assert await desk.run("() => {const f = document.querySelector('#frame'); return f.scrollHeight > f.clientHeight}")
    await desk.page.get_by_label("Gain").select_option("1")
    await desk.page.get_by_label("Layout").select_option("standard")
    await desk.page.locator("#frame").press("Home")
    for _ in range(5):
        await desk.page.get_by_role("button", name="Zoom in").click()
    await desk.drawn()
    # Two seconds in the middle.
    await expect(beyond).to_contain_text(re.compile("\N{LEFTWARDS ARROW} I.*\N{RIGHTWARDS ARROW}.*V6"))
    await beyond.get_by_role("button").last.click()
    await desk.page.locator("#frame").press("End")
    await desk.drawn()
    await expect(beyond).not_to_contain_text("V6")


@pytest.mark.parametrize("layout", ["standard", "rows"])
async def test_print_leaves_no_row_out_and_is_to_scale(desk: Tab, tmp_path: Path, layout: str) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    await desk.page.get_by_label("Layout").select_option(layout)
    await desk.page.get_by_role("checkbox", name="Zero crossings").check()
    await desk.drawn()
    await desk.run("() => window.dispatchEvent(new Event('beforeprint'))")
    handle = await desk.page.locator("#canvas").element_handle()
    feet, tops = await desk.run(PULSES, [handle, 10 * PX_PER_MM])
    assert len(feet) == len(tops) == (4 if layout == "standard" else 12)
    assert [foot - top for foot, top in zip(feet, tops, strict=True)] == pytest.approx(
        [10 * PX_PER_MM] * len(feet), abs=1
    )
    paper = await box_of(desk, "#canvas")
    # Of A4, 297 by 210 millimetres without margins of 9.
    assert paper["width"] == pytest.approx(277 * PX_PER_MM, abs=1)
    assert paper["height"] <= 192 * PX_PER_MM
    assert "zoom in" not in await desk.page.locator("#opened").inner_text()
    await desk.run("() => window.dispatchEvent(new Event('afterprint'))")


async def test_gain_changes_the_rooms_and_cuts_no_wave(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "high.json", 2 * resting()))
    heights = []
    for value, millimetres in (("0.5", 5), ("1", 10), ("2", 20)):
        await desk.page.get_by_label("Gain").select_option(value)
        gutter = await gutter_of(desk)
        found = await pulses(desk)
        assert found[0][0] - found[0][1] == pytest.approx(gutter * millimetres / 10, abs=1.5)
        heights.append(found[1][0] - found[0][0])
        # No wave reaches the edge.
        width = (await box_of(desk, "#canvas"))["width"]
        assert not await coloured(desk, TRACE, (gutter, 0, width, 2))
        assert "cut" not in await scale(desk)
        assert f"{millimetres} mm/mV" in await scale(desk)
    assert heights[0] < heights[1] < heights[2]


async def test_a_wave_that_leaves_the_paper_is_marked(desk: Tab, tmp_path: Path) -> None:
    rows = resting()
    rows[0, 600:620] = 30
    await show(desk, write(tmp_path / "spike.json", rows))
    assert "1 wave cut at the edge" in await scale(desk)
    drawn = await desk.drawn()
    at = await gutter_of(desk) + 1.2 * float(drawn["speed"]) * PX_PER_MM
    assert len(await coloured(desk, WARNING, (at - 10, 0, at + 14, 11))) > 40


async def test_an_offset_of_the_recorder_is_taken_away_and_named(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "offset.json", resting() + 5))
    found = await pulses(desk)
    assert len(found) == 4
    gutter = await gutter_of(desk)
    foot = found[0][0]
    assert await coloured(desk, TRACE, (gutter + 2, foot - 12, gutter + 40, foot + 12), far=290)


async def test_zero_crossings_are_all_marked_or_none_and_counted_in_the_window(desk: Tab, tmp_path: Path) -> None:
    sparse = np.sin(np.arange(15_000) / 150 + 0.3)
    await show(desk, write(tmp_path / "sparse.json", sparse[None], ("I",)))
    box = desk.page.get_by_role("checkbox", name="Zero crossings")
    await expect(box).not_to_be_checked()
    assert "crossing" not in await scale(desk)
    await box.check()
    text = await scale(desk)
    drawn = await desk.drawn()
    in_window = digitised(sparse[None])[0][: math.ceil(float(drawn["span"]) * 500)]
    expected = count_zero_crossings([in_window])[0]
    assert f"{expected} zero crossings in view" in text
    assert int(drawn["crossings"]) == expected
    box_of_paper = await box_of(desk, "#canvas")
    area = (0, 0, box_of_paper["width"], box_of_paper["height"] - 41)
    assert len(await coloured(desk, MARK, area, far=150)) > 4 * expected
    dense = np.stack([sparse, np.tile([1.0, -1.0], 7500)])
    await show(desk, write(tmp_path / "dense.json", dense, ("I", "II")))
    await box.check()
    # One lead's would run together: then the other's are not marked either.
    assert (await desk.drawn())["crossings"] == "0"
    await expect(desk.page.locator("#scale")).to_contain_text(
        re.compile(r"5,0\d\d zero crossings in view, too many to mark")
    )


async def test_a_wider_window_has_no_narrower_paper(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    widths = {}
    for width in (1379, 1380, 1440, 1719, 1720, 2560):
        await desk.page.set_viewport_size({"width": width, "height": 900})
        await desk.drawn()
        widths[width] = (await box_of(desk, "#canvas"))["width"]
    assert widths[1379] <= widths[1380] <= widths[1440]
    # Ten seconds at 25 mm/s, with the gutter, at their true size.
    assert min(widths.values()) >= 260 * PX_PER_MM
    await desk.page.set_viewport_size({"width": 1440, "height": 900})
    button = desk.page.get_by_role("button", name="Paper only")
    await button.click()
    await desk.drawn()
    assert (await box_of(desk, "#canvas"))["width"] > widths[1440] + 200
    await expect(desk.page.locator("#findings")).to_be_hidden()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await button.click()
    await expect(desk.page.locator("#findings")).to_be_visible()
    await desk.page.get_by_role("button", name="Full screen").click()
    await desk.page.wait_for_function("() => document.fullscreenElement?.id === 'opened'")
    await desk.drawn()
    assert (await box_of(desk, "#canvas"))["width"] > widths[1440] + 200


async def test_keys_and_slider_move_by_the_window_and_skip_nothing(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "long.json", resting(40), rate=500))
    drawn = await desk.drawn()
    span = float(drawn["span"])
    for part in ("#position", "#frame"):
        await desk.page.locator(part).press("Home")
        for key, expected in (
            ("ArrowRight", span / 10),
            ("PageDown", 1.1 * span),
            ("PageDown", 2.1 * span),
            ("PageUp", 1.1 * span),
            ("ArrowLeft", span),
            ("Shift+ArrowLeft", 0),
            ("End", 40 - span),
        ):
            await desk.page.locator(part).press(key)
            assert float((await desk.drawn())["time"]) == pytest.approx(expected, abs=0.05), (part, key)
    await desk.page.locator("#frame").press("Home")
    await desk.page.get_by_role("button", name="Next page").click()
    assert float((await desk.drawn())["time"]) == pytest.approx(span, abs=0.05)
    await desk.page.get_by_role("button", name="Previous page").click()
    assert float((await desk.drawn())["time"]) == 0
    await expect(desk.page.get_by_role("button", name="Previous page")).to_be_disabled()


async def test_the_wheel_scrolls_and_zooms_with_ctrl(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "long.json", resting(40), rate=500))
    await desk.run("() => scrollTo(0, 0)")
    before = await desk.drawn()
    box = await box_of(desk, "#canvas")
    await desk.page.mouse.move(box["x"] + 300, box["y"] + 100)
    await desk.page.mouse.wheel(0, 120)
    await desk.page.wait_for_function("() => scrollY > 0")
    assert (await desk.drawn())["speed"] == before["speed"]
    # Once the user has gone to the paper, the wheel moves along the recording.
    await desk.page.locator("#frame").focus()
    await desk.page.mouse.wheel(0, 300)
    moved = await desk.drawn()
    assert float(moved["time"]) > 0
    assert moved["speed"] == before["speed"]
    await desk.page.keyboard.down("Control")
    await desk.page.mouse.wheel(0, -100)
    await desk.page.keyboard.up("Control")
    assert float((await desk.drawn())["speed"]) > float(before["speed"])


async def test_a_time_can_be_typed(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "long.json", resting(40), rate=500))
    await desk.page.locator("#frame").press("j")
    field = desk.page.get_by_label("Go to")
    await expect(field).to_be_focused()
    await field.fill("0:20")
    await field.press("Enter")
    drawn = await desk.drawn()
    assert float(drawn["time"]) + float(drawn["span"]) / 2 == pytest.approx(20, abs=0.1)
    await field.fill("1:00")
    await field.press("Enter")
    await expect(desk.page.locator("#jump-error")).to_have_text("A time from 0:00 to 0:40, such as 1:05.")
    await expect(field).to_have_attribute("aria-invalid", "true")


async def test_a_long_recording_has_a_minute_a_line_and_its_rate_above(desk: Tab) -> None:
    record = recordings()[0]
    await desk.submit(record.with_suffix(".hea"), record.with_suffix(".dat"))
    await desk.show(record.with_suffix(".hea").name)
    await expect(desk.page.get_by_role("img", name="Heart rate over time")).to_be_visible()
    await desk.page.get_by_role("button", name="Whole").click()
    drawn = await desk.drawn()
    assert drawn["layout"] == "overview"
    assert "a minute a line" in await scale(desk)
    # In each line there is paper between the waves: it is no black bar.
    box = await box_of(desk, "#canvas")
    ink = await coloured(desk, TRACE, (60, 0, box["width"], box["height"] - 40))
    assert 0.005 < len(ink) / box["width"] / box["height"] < 0.25
    # A click opens its time: the twelfth second of line 10.
    line = (box["height"] - 40) / 31
    await desk.page.locator("#canvas").click(position={"x": 38 + (box["width"] - 38) * 0.2, "y": line * 10.5})
    drawn = await desk.drawn()
    assert drawn["layout"] == "rows"
    assert float(drawn["time"]) + float(drawn["span"]) / 2 == pytest.approx(612, abs=2)
    rates = await box_of(desk, "#rates")
    await desk.page.mouse.click(rates["x"] + 34 + (rates["width"] - 34) / 2, rates["y"] + 20)
    drawn = await desk.drawn()
    assert float(drawn["time"]) + float(drawn["span"]) / 2 == pytest.approx(903, abs=5)


async def test_calipers_measure_with_the_pointer_and_with_keys(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    drawn = await desk.drawn()
    per_second = float(drawn["speed"]) * PX_PER_MM
    await desk.page.get_by_role("checkbox", name="Calipers").check()
    readout = desk.page.locator("#readout")
    await expect(readout).to_have_text(re.compile(r"Calipers: 1000 ms · 60\.0 /min · 0\.00 mV"))
    await desk.page.locator("#canvas").scroll_into_view_if_needed()
    box = await box_of(desk, "#canvas")
    x, y = box["x"] + 150, box["y"] + 60
    await desk.page.mouse.move(x, y)
    await desk.page.mouse.down()
    await desk.page.mouse.move(x + 0.8 * per_second, y - 0.5 * per_second * 0.4, steps=4)
    await desk.page.mouse.up()
    await desk.drawn()
    milliseconds, rate, millivolts = map(float, re.findall(r"[\d.]+", await readout.inner_text()))
    assert milliseconds == pytest.approx(800, abs=15)
    assert rate == pytest.approx(75, abs=2)
    assert millivolts == pytest.approx(0.5, abs=0.03)
    assert (await desk.drawn())["time"] == drawn["time"]
    lines = {round(px) for px, _ in await coloured(desk, CALIPER, (0, 200, box["width"], 260))}
    await desk.page.locator("#frame").focus()
    await desk.page.keyboard.press("m")
    await desk.drawn()
    marched = {round(px) for px, _ in await coloured(desk, CALIPER, (0, 200, box["width"], 260))}
    assert len(marched) > len(lines) + 8
    await desk.page.keyboard.press("Shift+ArrowRight")
    await desk.page.keyboard.press("ArrowLeft")
    await desk.drawn()
    longer = float(re.findall(r"[\d.]+", await readout.inner_text())[0])
    assert longer == pytest.approx(milliseconds + 9000 / per_second, abs=2)
    await desk.page.keyboard.press("x")
    await desk.page.keyboard.press("Shift+ArrowRight")
    await desk.drawn()
    assert float(re.findall(r"[\d.]+", await readout.inner_text())[0]) < longer
    await desk.page.keyboard.press("Escape")
    await desk.drawn()
    await expect(readout).to_be_empty()
    await expect(desk.page.get_by_role("checkbox", name="Calipers")).not_to_be_checked()


async def test_the_paper_runs_at_its_speeds(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    await desk.page.get_by_role("button", name="True size").click()
    for speed in (12.5, 25, 50):
        await desk.page.get_by_label("Speed").select_option(f"{speed:g}")
        assert float((await desk.drawn())["speed"]) == speed
        assert f"{speed:g} mm/s" in await scale(desk)


async def test_cabrera_turns_avr_upside_down(desk: Tab, tmp_path: Path) -> None:
    rows = np.zeros((12, 5000))
    rows[NAMES.index("aVR"), 500:1000] = 0.5
    await show(desk, write(tmp_path / "plateau.json", rows))
    for layout, row, sign in (("six", 3, -1), ("cabrera", 2, 1)):
        await desk.page.get_by_label("Layout").select_option(layout)
        gutter = await gutter_of(desk)
        foot, top = (await pulses(desk))[row]
        left = gutter + 1.4 * float((await desk.drawn())["speed"]) * PX_PER_MM
        inked = [y for _, y in await coloured(desk, TRACE, (left, foot - 40, left + 20, foot + 40), far=290)]
        assert np.median(inked) == pytest.approx(foot + sign * (foot - top) / 2, abs=2)


async def test_filters_are_named_on_the_paper_and_change_what_is_seen_only(desk: Tab, tmp_path: Path) -> None:
    rows = np.zeros((1, 5000))
    rows[0] = 0.4 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500)
    await show(desk, write(tmp_path / "hum.json", rows, ("I",)))
    findings = await desk.page.locator("#findings").inner_text()

    async def height() -> float:
        width = (await box_of(desk, "#canvas"))["width"]
        gutter = await gutter_of(desk)
        ys = [y for _, y in await coloured(desk, TRACE, (gutter + 60, 20, width - 20, 100), far=290)]
        return max(ys) - min(ys)

    assert await height() > 20
    caption = (0, (await box_of(desk, "#canvas"))["height"] - 16, 600, (await box_of(desk, "#canvas"))["height"])
    without = await coloured(desk, LABEL, caption, far=70)
    await desk.page.get_by_role("checkbox", name="Mains 50 Hz").check()
    assert "filters for the eye: mains 50 Hz" in await scale(desk)
    assert await height() < 4
    named = await coloured(desk, LABEL, caption, far=70)
    assert max(x for x, _ in named) > max(x for x, _ in without) + 100
    assert await desk.page.locator("#findings").inner_text() == findings
    await desk.page.get_by_role("checkbox", name="Mains 50 Hz").uncheck()
    assert await height() > 20


async def test_beats_are_marked_above_each_lead_and_the_time_between_them_is_written(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    await desk.page.get_by_label("Layout").select_option("rows")
    gutter, width = await gutter_of(desk), (await box_of(desk, "#canvas"))["width"]
    assert not await coloured(desk, MARK, (gutter, 0, width, 8))
    await desk.page.get_by_role("checkbox", name="Beats and intervals").check()
    drawn = await desk.drawn()
    per_second = float(drawn["speed"]) * PX_PER_MM
    marks = sorted({round((x - gutter) / per_second, 1) for x, _ in await coloured(desk, MARK, (gutter, 1, width, 3))})
    middles = [at + 0.045 for at in regular(0.8, 10)]
    assert all(any(abs(mark - middle) < 0.11 for mark in marks) for middle in middles)
    assert all(any(abs(mark - middle) < 0.11 for middle in middles) for mark in marks)


async def test_a_lead_of_bad_quality_says_so_at_its_name(desk: Tab, tmp_path: Path) -> None:
    rows = resting()
    rows[1] = 0
    await show(desk, write(tmp_path / "flat.json", rows))
    await desk.page.get_by_label("Layout").select_option("rows")
    feet = [foot for foot, _ in await pulses(desk)]
    gutter = await gutter_of(desk)
    assert await coloured(desk, WARNING, (gutter, feet[0], gutter + 80, feet[1]))
    assert not await coloured(desk, WARNING, (gutter, feet[1] + 5, gutter + 80, feet[-1]))


async def test_two_ecgs_stand_one_above_the_other_at_one_scale(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "before.json", resting()))
    await show(desk, write(tmp_path / "after.json", 1.5 * resting()))
    await desk.page.get_by_role("button", name="Compare").click()
    choices = desk.page.locator("#compare-with option")
    await expect(choices).to_have_count(2)
    await desk.page.locator("#compare-with").select_option(label=await choices.nth(1).inner_text())
    await desk.page.get_by_role("button", name="Show below").click()
    await expect(desk.page.locator("#other-title")).to_have_text("before.json")
    await desk.drawn()
    for _ in range(2):
        first, second = await pulses(desk), await pulses(desk, "#other-canvas")
        assert len(first) == len(second) == 4
        assert [foot - top for foot, top in first] == pytest.approx([foot - top for foot, top in second], abs=1)
        await desk.page.get_by_label("Gain").select_option("0.5")
        await desk.drawn()
    await expect(desk.page.locator("#other-frame")).to_be_visible()
    await desk.page.get_by_role("button", name="End the comparison").click()
    await expect(desk.page.locator("#other-frame")).to_be_hidden()


async def test_the_median_beat_is_enlarged(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "rest.json", resting()))
    await desk.page.get_by_role("checkbox", name="Median beat").check()
    await expect(desk.page.locator("#median-facts")).to_contain_text(
        re.compile(r"PR 1\d\d ms · QRS \d+ ms · QT 3\d\d ms .*median of \d+ beats · 100 mm/s · 20 mm/mV")
    )
    size = await box_of(desk, "#median-canvas")
    ink = await coloured(desk, TRACE, (0, 0, size["width"], size["height"]), "#median-canvas")
    # Lead II is 1.3 mV high, at 20 mm/mV.
    height = max(y for _, y in ink) - min(y for _, y in ink)
    assert height == pytest.approx(1.3 * 20 * PX_PER_MM, rel=0.1)
    await desk.page.locator("#median-lead").select_option("all")
    await desk.drawn()
    all_leads = await coloured(desk, TRACE, (0, 0, size["width"], size["height"]), "#median-canvas")
    assert len(all_leads) > 2 * len(ink)


async def test_every_key_is_listed_and_works(desk: Tab, tmp_path: Path) -> None:
    await show(desk, write(tmp_path / "long.json", resting(20), rate=500))
    frame = desk.page.locator("#frame")
    for key, label in (("z", "Zero crossings"), ("b", "Beats and intervals"), ("e", "Median beat"), ("c", "Calipers")):
        box = desk.page.get_by_role("checkbox", name=label)
        await expect(box).not_to_be_checked()
        await frame.press(key)
        await desk.drawn()
        await expect(box).to_be_checked()
    for key, label, value in (("g", "Gain", "2"), ("s", "Speed", "50"), ("l", "Layout", "six")):
        await frame.press(key)
        await expect(desk.page.get_by_label(label)).to_have_value(value)
    await frame.press("Shift+G")
    await expect(desk.page.get_by_label("Gain")).to_have_value("1")
    await frame.press("p")
    await expect(desk.page.locator("#findings")).to_be_hidden()
    await frame.press("?")
    dialog = desk.page.get_by_role("dialog", name="Keys")
    await expect(dialog).to_be_visible()
    assert await dialog.locator("dt").count() > 15
    await desk.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
async def test_the_tools_are_accessible(desk: Tab, tmp_path: Path, scheme: Any, width: int) -> None:
    await desk.page.set_viewport_size({"width": width, "height": 844})
    await desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await show(desk, write(tmp_path / "long.json", resting(70, 100), rate=100))
    for label in ("Calipers", "Beats and intervals", "Median beat", "Zero crossings", "Baseline"):
        await desk.page.get_by_role("checkbox", name=label).check()
    await desk.page.get_by_role("button", name="Compare").click()

    async def check(where: str) -> None:
        await desk.drawn()
        results = await Axe().run(desk.page)
        assert results.violations_count == 0, f"{where}: {results.generate_report()}"
        overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await desk.run(overflow) <= 0, f"{where} is wider than the screen"

    await expect(desk.page.locator("#compare-with option")).to_have_count(1)
    await check("the choice of another ECG")
    await desk.page.get_by_role("button", name="Show below").click()
    await expect(desk.page.locator("#other-facts")).not_to_be_empty()
    await check("the sheet with all tools")
    await desk.page.get_by_role("button", name="Keys").click()
    await check("the list of keys")
    await desk.page.keyboard.press("Escape")
    await desk.page.get_by_role("button", name="Whole").click()
    await check("the overview")


async def test_an_ecg_that_opens_is_drawn_once(desk: Tab, tmp_path: Path) -> None:
    for name in ("one", "other"):
        await show(desk, write(tmp_path / f"{name}.json", resting()))
    draws = await desk.page.evaluate_handle(DRAWS)
    await desk.show("one.json")
    await desk.drawn()
    assert await draws.evaluate("draws => draws.count") == 1


async def test_moving_lays_out_the_page_once_a_frame(desk: Tab, tmp_path: Path) -> None:
    # Longer than a minute, so that the window is marked in the strip of the heart rate.
    await show(desk, write(tmp_path / "long.json", resting(70, rate=250), rate=250))
    await expect(desk.page.locator("#rates")).to_be_visible()
    session = await desk.page.context.new_cdp_session(desk.page)
    await session.send("Performance.enable")

    async def layouts() -> int:
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return next(int(metric["value"]) for metric in metrics if metric["name"] == "LayoutCount")

    before = await layouts()
    await desk.run(MOVES, 20)
    # A few more may come from other parts of the page, such as the list; a second one in each frame may not.
    assert 20 <= await layouts() - before < 30
