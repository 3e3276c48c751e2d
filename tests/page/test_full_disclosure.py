"""Recordings of a day on the page: listed, opened without holding all samples, followed, and read part by part."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Locator, expect

from tests.page.canned_gateway import RATE, TOKEN, Canned, serving
from tests.page.conftest import new_tab
from tests.page.tab import APPEARANCES, Tab
from tests.support.conditions import eventually
from tests.support.heartbeats import digitised, regular, signals
from tests.support.pipeline import Pipeline

MINUTE = round(60 * RATE)
Open = Callable[[Canned], AbstractAsyncContextManager[Tab]]


@pytest_asyncio.fixture
async def signed_in(context: BrowserContext) -> AsyncIterator[Open]:
    """Return a context of a tab that is signed in at a gateway with a canned recording."""

    @asynccontextmanager
    async def signed_in(canned: Canned) -> AsyncIterator[Tab]:
        async with serving(canned) as url, new_tab(context, url) as tab:
            await tab.sign_in(TOKEN)
            yield tab
            assert not any(TOKEN in text for text in tab.requests + tab.console)
            await tab.page.close()

    yield signed_in


def row(tab: Tab) -> Locator:
    return tab.page.get_by_role("button", name="night")


def lines(tab: Tab) -> Locator:
    return tab.page.get_by_role("group", name="All minutes")


async def canvas(tab: Tab) -> dict[str, str]:
    """Return the data attributes of the minutes' canvas after the next frame."""
    script = """canvas => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
        done({...canvas.dataset}))))"""
    return dict(await tab.page.locator("#disclosure-canvas").evaluate(script))


async def until(holds: Callable[[], Any]) -> None:
    async def probe() -> bool | None:
        return True if holds() else None

    await eventually(probe, interval=0.02)


async def opened(tab: Tab) -> dict[str, str]:
    """Open the recording, and return the data attributes of its canvas once all lines in sight are drawn."""
    await row(tab).click()
    return await drawn(tab)


async def drawn(tab: Tab) -> dict[str, str]:
    """Return the data attributes of the minutes' canvas once all lines in sight are drawn."""
    await lines(tab).wait_for()

    async def probe() -> dict[str, str] | None:
        found = await canvas(tab)
        return found if found and int(found["drawn"]) == int(found["last"]) - int(found["first"]) + 1 else None

    return await eventually(probe, what="the drawing of all lines")


async def test_the_list_shows_recordings_apart_and_nothing_without_any(signed_in: Open) -> None:
    async with signed_in(Canned(gaps=[[MINUTE, 500]])) as tab:
        await expect(tab.page.get_by_role("heading", name="Long and live")).to_be_visible()
        await expect(row(tab)).to_contain_text("Recorded 1 Mar 2026, 22:00")
        await expect(row(tab)).to_contain_text("2 leads · 24:00:00 h")
        await expect(row(tab)).to_contain_text("complete")
        await expect(tab.page.locator("#earlier li")).to_have_count(0)
    async with signed_in(Canned(erased=True)) as tab:
        await expect(tab.page.locator("#earlier-note")).to_have_text("Nothing here yet.")
        await expect(tab.page.locator("#recordings")).to_be_hidden()


async def test_a_day_opens_with_the_minutes_in_sight_alone(signed_in: Open) -> None:
    canned = Canned()
    async with signed_in(canned) as tab:
        shown = await opened(tab)
        await expect(tab.page.locator("#recording-facts")).to_have_text(
            "2 leads · 24:00:00 h · 100 Hz · recorded 1 Mar 2026, 22:00"
        )
        await expect(tab.page.locator("#recording-state")).to_have_text("Complete: nothing more is awaited · no gaps")
        assert shown["first"] == "0"
        assert 10 < int(shown["last"]) < 40
        asked = [(i * MINUTE, (i + 1) * MINUTE) for i in range(int(shown["last"]) + 1)]
        assert sorted(canned.ranges) == asked
        # The lines of the whole day can be scrolled to.
        await lines(tab).evaluate("frame => frame.scrollTo(0, frame.scrollHeight)")
        await until(lambda: (1439 * MINUTE, 1440 * MINUTE) in canned.ranges)
        assert int((await drawn(tab))["last"]) == 1439
        # Minutes in between are not fetched, and those that come into view again are still kept.
        assert len(canned.ranges) < 3 * len(asked)
        before = len(canned.ranges)
        await lines(tab).evaluate("frame => frame.scrollTo(0, 0)")
        assert (await drawn(tab))["first"] == "0"
        assert len(canned.ranges) == before


async def test_requests_for_lines_scrolled_past_are_aborted(signed_in: Open) -> None:
    canned = Canned()
    canned.answering.clear()
    async with signed_in(canned) as tab:
        await row(tab).click()
        await until(lambda: len(canned.ranges) == 3)
        await lines(tab).evaluate("frame => frame.scrollTo(0, frame.scrollHeight)")
        await until(lambda: len(canned.abandoned) == 3)
        assert sorted(canned.abandoned) == sorted(canned.ranges[:3])
        canned.answering.set()
        await drawn(tab)
        assert min(canned.ranges[3:]) > (1380 * MINUTE, 0)


async def test_memory_is_bounded_and_aborted_or_complete_minutes_are_not_mixed_up(signed_in: Open) -> None:
    script = """async () => {
        const {Samples} = await import("/page/live/samples.js");
        const {Refused} = await import("/page/gateway.js");
        const asked = [];
        const fetch = async (index, signal) => {
            asked.push(index);
            await new Promise(done => setTimeout(done, 5));
            signal.throwIfAborted();
            if (index === 7) throw new Refused(410, "no longer kept");
            const signal_ = new Int16Array(6000).fill(index);
            const missing = index === 1 || index === 2 ? [[0, 10]] : [];
            return {sampling_rate: 100, leads: [{signal: signal_, adc_gain: 1000, missing}]};
        };
        const samples = new Samples(fetch, () => {}, 60_000);
        const reached = {number_of_samples: 12_000, complete_until: 12_000, revision: 0, final: false};
        const progress = {sampling_rate: 100, ...reached};
        samples.follow(progress);
        const look = async indices => {
            samples.look(indices);
            while (!indices.every(index => samples.get(index))) await new Promise(done => setTimeout(done, 5));
        };
        for (let i = 0; i < 30; i += 3) await look([i, i + 1, i + 2]);
        const found = {
            bytes: samples.bytes, first: samples.get(0), last: samples.get(29).leadAt(0).drawn.samples[0],
            error: null, again: null,
        };
        await look([6, 7, 8]);
        found.error = samples.get(7).error;
        const news = async change => {
            const before = asked.length;
            samples.follow({...progress, ...change});
            await new Promise(done => setTimeout(done, 250));
            return asked.slice(before);
        };
        await look([1, 2]);
        const [more, late] = [{number_of_samples: 18_000}, {number_of_samples: 18_000, revision: 1}];
        found.again = [await news(more), await news(late), await news(late)];
        samples.close();
        found.closed = samples.bytes;
        return found;
    }"""
    async with signed_in(Canned()) as tab:
        found = await tab.run(script)
        assert found["bytes"] <= 60_000
        assert (found["first"], found["last"], found["error"]) == (None, 29, "no longer kept")
        # Both lack samples. Minute 2 lies beyond what is complete: more may bring them. Minute 1 gets only late ones.
        assert found["again"] == [[2], [1, 2], []]
        assert found["closed"] == 0


async def test_the_rate_stands_at_each_line_and_above_with_a_click_that_goes_there(signed_in: Open) -> None:
    canned = Canned(rates={720: 140.0}, gaps=[[900 * MINUTE, 30 * MINUTE]])
    async with signed_in(canned) as tab:
        await opened(tab)
        trend = tab.page.get_by_role("img", name="Heart rate of the whole recording, from 56 to 146 /min, gaps: 1")
        await expect(trend).to_be_visible()
        box = await trend.bounding_box()
        assert box is not None
        await tab.page.mouse.click(box["x"] + 34 + (box["width"] - 34) * 720.5 / 1440, box["y"] + 20)
        await expect(lines(tab)).to_be_focused()
        shown = await drawn(tab)
        assert int(shown["first"]) < 720 < int(shown["last"])
        assert shown["time"] == "43200.000"
        place = tab.page.locator("#disclosure-place")
        await expect(place).to_contain_text("12:00:00 to 12:00:10 · 2 Mar 2026, 10:00 · 140 /min in this minute")
        assert await tab.run(GREY, "#trend canvas") == pytest.approx(30 / 1440, abs=0.004)


# A number that stands for all pixels of a canvas.
PICTURE = """canvas => {
    const {width, height} = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, width, height).data.reduce((sum, value, i) => (sum * 31 + value) % 1000003, 7);
}"""

# The share of the columns of a canvas, between its labels, in the colour of a gap.
GREY = """selector => {
    const canvas = document.querySelector(selector);
    const {width, height} = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const [left, right] = selector.includes("trend") ? [34, width] : [60, width - 36];
    const pixels = copy.getImageData(0, 0, width, height).data;
    let grey = 0, all = 0;
    for (let x = left; x < right; x++)
        for (let y = 0; y < height; y++, all++) {
            const i = (y * width + x) * 4;
            if (pixels[i] === 0xe6 && pixels[i + 1] === 0xe0 && pixels[i + 2] === 0xdd) grey++;
        }
    return grey / all;
}"""


async def test_gaps_are_marked_on_the_lines(signed_in: Open) -> None:
    # Half of the first ten minutes, which fit into the window.
    canned = Canned(samples=10 * MINUTE, gaps=[[3 * MINUTE, 5 * MINUTE]])
    async with signed_in(canned) as tab:
        await opened(tab)
        assert await tab.run(GREY, "#disclosure-canvas") == pytest.approx(0.5, abs=0.03)
        await expect(tab.page.locator("#recording-state")).to_contain_text("1 gap, 5:00 min in all")


async def test_a_click_on_a_line_opens_that_part_on_the_sheet_with_its_times_and_beats(signed_in: Open) -> None:
    canned = Canned()
    async with signed_in(canned) as tab:
        await opened(tab)
        box = await lines(tab).bounding_box()
        assert box is not None
        canned.ranges.clear()
        # On the third line, in its middle.
        await tab.page.mouse.click(box["x"] + 60 + (box["width"] - 96) / 2, box["y"] + 2.5 * 30.2)
        await expect(tab.page.locator("#viewer-title")).to_contain_text(re.compile(r"night, 2:2[45].\d to 2:3[45].\d"))
        await expect(tab.page.locator("#facts")).to_contain_text("2 leads · 10 s · 100 Hz · 1,000 ADC units/mV")
        await expect(tab.page.locator("#facts")).to_contain_text("recorded 1 Mar 2026, 22:02")
        [(first, end)] = canned.ranges
        assert end - first == 10 * RATE
        assert abs(first - 145 * RATE) < RATE
        await expect(lines(tab)).to_be_hidden()
        times = re.compile(r"2:2[45]\.\d to 2:3[45]\.\d of 2:3[45]\.\d")
        await expect(tab.page.locator("#scale")).to_contain_text(times)
        # The beats that the gateway has found there, at their places.
        await tab.page.get_by_role("checkbox", name="Beats and intervals").check()
        await expect(tab.page.get_by_role("checkbox", name="Median beat")).to_be_enabled()
        # Downloads have the times of the recording too.
        await tab.page.get_by_role("button", name="Download …").click()
        await expect(tab.page.locator("#take-window")).to_contain_text(re.compile(r"2:2[45]\.\d to 2:3[45]\.\d"))
        await tab.page.get_by_role("dialog", name="Download").get_by_role("button", name="Close").click()
        # On the sheet, a time is one of the recording.
        await tab.page.get_by_label("Go to").fill("1:00")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#jump-error")).to_contain_text(re.compile(r"A time from 2:2[45] to 2:3[45]"))
        # A part is not erased by itself.
        await expect(tab.page.get_by_role("button", name="Erase …")).to_have_count(1)
        await tab.page.get_by_role("button", name="Later").click()
        await until(lambda: (first + 1000, end + 1000) in canned.ranges)
        await tab.page.get_by_role("combobox", name="Part").select_option("1 min")
        await until(lambda: (first + 1000, first + 1000 + MINUTE) in canned.ranges)
        await tab.page.get_by_label("Time", exact=True).fill("23:59:59")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#viewer-title")).to_have_text("night, 23:59:00.0 to 24:00:00.0")
        await expect(tab.page.get_by_role("button", name="Later")).to_be_disabled()
        # The browser's way back leads through the parts to the lines.
        await tab.page.get_by_role("button", name="All minutes").click()
        await expect(lines(tab)).to_be_visible()
        await expect(tab.page.locator("#opened")).to_be_hidden()
        shown = await drawn(tab)
        assert (shown["last"], shown["time"]) == ("1439", "86340.000")
        await tab.page.go_back()
        await expect(tab.page.locator("#viewer-title")).to_have_text("night, 23:59:00.0 to 24:00:00.0")
        await tab.page.reload()
        await expect(tab.page.locator("#viewer-title")).to_have_text("night, 23:59:50.0 to 24:00:00.0")


async def test_all_of_it_works_by_the_keyboard(signed_in: Open) -> None:
    async with signed_in(Canned()) as tab:
        await row(tab).focus()
        await tab.page.keyboard.press("Enter")
        await drawn(tab)
        await lines(tab).focus()
        for key, time in (
            ("ArrowDown", 60),
            ("ArrowRight", 70),
            ("ArrowLeft", 60),
            ("ArrowUp", 0),
            ("ArrowUp", 0),
            ("End", 86_390),
            ("Home", 0),
        ):
            await tab.page.keyboard.press(key)
            assert float((await canvas(tab))["time"]) == time, key
        await tab.page.keyboard.press("PageDown")
        shown = await drawn(tab)
        assert float(shown["time"]) >= 10 * 60
        assert int(shown["first"]) <= float(shown["time"]) / 60 <= int(shown["last"])
        await tab.page.keyboard.press("j")
        await tab.page.keyboard.type("nonsense")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#minute-error")).to_have_text("A time from 0:00 to 24:00:00, such as 1:02:03.")
        await tab.page.get_by_label("Time", exact=True).fill("13:00:20")
        await tab.page.keyboard.press("Enter")
        await expect(lines(tab)).to_be_focused()
        assert (await drawn(tab))["time"] == "46820.000"
        await tab.page.keyboard.press("g")
        assert await tab.page.get_by_label("Amplitude").input_value() == "0.5"
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#viewer-title")).to_have_text("night, 13:00:20.0 to 13:00:30.0")


async def test_the_reader_chooses_the_lead(signed_in: Open) -> None:
    canned = Canned(samples=5 * MINUTE)
    async with signed_in(canned) as tab:
        await opened(tab)
        before = await tab.page.locator("#disclosure-canvas").evaluate(PICTURE)
        asked = len(canned.ranges)
        await tab.page.locator("#disclosed-lead").select_option("II")
        await canvas(tab)
        assert await tab.page.locator("#disclosure-canvas").evaluate(PICTURE) != before
        await expect(tab.page.locator("#disclosure-canvas")).to_have_attribute(
            "aria-label", "All minutes of lead II, 5:00 in all"
        )
        # All leads of a minute come together.
        assert len(canned.ranges) == asked


async def test_insights_so_far_lead_to_the_longest_pause(signed_in: Open) -> None:
    beats = {
        "number_of_beats": 86_400,
        "rate_now": 61.2,
        "mean_rate": 60.1,
        "least_rate": 41,
        "most_rate": 143,
        "longest_pause": {"seconds": 2.41, "first_sample": round(3723 * RATE)},
    }
    refused = {"number": 2, "latest": ["sampling_rate: must be that of the recording"]}
    async with signed_in(Canned(beats=beats, revision=2, refused=refused)) as tab:
        await opened(tab)
        measured = await tab.page.locator("#recording-measurements tr").all_inner_texts()
        assert [text.split("\t") for text in measured] == [
            ["Beats", "86,400", ""],
            ["Heart rate now, /min", "61.2", ""],
            ["Mean heart rate, /min", "60.1", ""],
            ["Lowest heart rate, /min", "41", ""],
            ["Highest heart rate, /min", "143", ""],
            ["Longest pause, s", "2.41", "at 1:02:03"],
        ]
        assert await tab.page.locator("#recording-leads tr").all_inner_texts() == ["I\t4,711\t1,000", "II\t12\t1,000"]
        await expect(tab.page.locator("#recording-state")).to_contain_text("changed by late samples 2 times")
        await expect(tab.page.locator("#recording-refused")).to_have_text(
            "2 messages refused, the latest because of: sampling_rate: must be that of the recording"
        )
        await tab.page.get_by_role("button", name="at 1:02:03").click()
        await expect(tab.page.locator("#viewer-title")).to_have_text("night, 1:02:01.0 to 1:02:11.0")


async def test_a_recording_without_beats_shows_why_and_the_rest(signed_in: Open) -> None:
    canned = Canned(samples=2 * MINUTE)
    async with signed_in(canned) as tab:
        await opened(tab)
        await expect(tab.page.locator("#of-recording")).to_be_hidden()
        await expect(tab.page.locator("#recording-leads tr")).to_have_count(2)
    canned.not_computed = {"beats": "needs a sampling rate of at least 100 Hz"}
    async with signed_in(canned) as tab:
        await opened(tab)
        reason = tab.page.locator("#recording-measurements tr")
        await expect(reason.locator(".remark")).to_have_text("needs a sampling rate of at least 100 Hz")


@pytest.mark.slow
async def test_a_live_recording_is_followed_at_its_end_until_the_reader_goes_elsewhere(signed_in: Open) -> None:
    canned = Canned(samples=90 * MINUTE, complete_until=89 * MINUTE, final=False)
    async with signed_in(canned) as tab:
        await expect(row(tab)).to_contain_text("live")
        shown = await opened(tab)
        assert shown["last"] == "89"
        await expect(tab.page.locator("#recording-state")).to_contain_text("Live: complete until 1:29:00")
        await until(lambda: canned.streams)
        canned.complete_until = canned.samples
        canned.grow(MINUTE // 2)
        await expect(row(tab)).to_contain_text("1:30:30 h")
        await expect(tab.page.locator("#recording-facts")).to_contain_text("1:30:30 h")
        # Only the last minute is fetched, with the samples so far.
        await until(lambda: (90 * MINUTE, 90 * MINUTE + MINUTE // 2) in canned.ranges)
        assert (await drawn(tab))["last"] == "90"
        await lines(tab).focus()
        await tab.page.keyboard.press("Home")
        await expect(tab.page.get_by_label("Follow the end")).not_to_be_checked()
        canned.grow(MINUTE)
        await expect(tab.page.locator("#recording-facts")).to_contain_text("1:31:30 h")
        assert (await drawn(tab))["first"] == "0"
        canned.final, canned.complete_until = True, None
        canned.tell("recording", canned.reached())
        await expect(tab.page.locator("#recording-state")).to_contain_text("Complete")
        await expect(row(tab)).to_contain_text("complete")
        await expect(tab.page.get_by_label("Follow the end")).to_be_hidden()


@pytest.mark.slow
async def test_rates_are_fetched_when_there_may_be_new_beats_and_all_of_them_after_late_samples(
    signed_in: Open,
) -> None:
    second = round(RATE)
    canned = Canned(samples=90 * MINUTE, final=False)
    async with signed_in(canned) as tab:
        await opened(tab)
        await until(lambda: canned.streams)
        assert canned.minute_ranges == [(0, 90)]

        async def told(**fields: Any) -> None:
            for name, value in fields.items():
                setattr(canned, name, value)
            canned.grow(second)
            await expect(tab.page.locator("#recording-facts")).to_contain_text(clock(canned.samples // second))

        # The beats of ten seconds are found with the two seconds behind them.
        await told()
        await told(samples=90 * MINUTE + 2 * second)
        await until(lambda: canned.minute_ranges == [(0, 90), (88, 91)])
        await told(revision=1)
        await until(lambda: canned.minute_ranges == [(0, 90), (88, 91), (0, 91)])
        # While a part is on the sheet, lines out of sight are left alone.
        await lines(tab).focus()
        await tab.page.keyboard.press("Enter")
        await tab.page.locator("#plot:not([hidden])").wait_for()
        canned.ranges.clear()
        await told(revision=2)
        await told(revision=3)
        assert canned.ranges == []


def clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} h"


async def test_a_recording_that_is_erased_elsewhere_is_not_shown_any_more(signed_in: Open) -> None:
    canned = Canned()
    async with signed_in(canned) as tab:
        await opened(tab)
        await until(lambda: canned.streams)
        canned.erased = True
        canned.tell("recording", canned.reached())
        await expect(tab.page.locator("#recording-error")).to_have_text("Recording not found")
        await expect(lines(tab)).to_be_hidden()


async def test_a_recording_that_begins_meanwhile_comes_into_the_list(signed_in: Open) -> None:
    canned = Canned(erased=True)
    async with signed_in(canned) as tab:
        await until(lambda: canned.streams)
        await expect(tab.page.locator("#recordings")).to_be_hidden()
        canned.erased = False
        canned.tell("recording", canned.reached())
        await expect(row(tab)).to_be_visible()


async def test_samples_that_are_not_kept_are_told_on_their_lines_and_on_the_sheet(signed_in: Open) -> None:
    reason = "The signals before sample 6000 are no longer kept; the insights still are"
    canned = Canned(samples=5 * MINUTE, refusal=(410, reason), gaps=[[2 * MINUTE, MINUTE]])
    async with signed_in(canned) as tab:
        await row(tab).click()
        await until(lambda: len(canned.ranges) == 5)
        assert (await canvas(tab))["drawn"] == "0"
        await expect(tab.page.locator("#disclosure-place")).to_contain_text(reason)
        # Where there were gaps is known still; the reason is written over it.
        assert await tab.run(GREY, "#disclosure-canvas") == pytest.approx(0.2, abs=0.03)
        await lines(tab).focus()
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#viewer-error")).to_have_text(reason)
        await expect(tab.page.locator("#plot")).to_be_hidden()


async def test_minutes_of_more_samples_than_an_answer_may_have_are_fetched_in_parts(signed_in: Open) -> None:
    canned = Canned(samples=4 * MINUTE, most=MINUTE // 3)
    script = """async ([one, other, types]) => {
        const {joined} = await import("/page/live/samples.js");
        const part = (signal, type, missing) =>
            ({id: "x", leads: [{name: "I", signal: type ? globalThis[type].from(signal) : signal, ...missing}]});
        const {id, leads: [{name, signal, missing}]} = joined(part(one, types[0], {missing: [[1, 1]]}),
            joined(part(other, types[1], {missing: [[0, 1]]}), part([5], types[1], {})));
        return [id, name, [...signal], missing, signal.constructor.name];
    }"""
    async with signed_in(canned) as tab:
        assert (await opened(tab))["drawn"] == "4"
        assert {(i * MINUTE // 4, (i + 1) * MINUTE // 4) for i in range(16)} <= set(canned.ranges)
        for types, name in ((["Int8Array", "Int16Array"], "Int16Array"), ([None, None], "Array")):
            found = await tab.run(script, [[1, 0], [0, -300], types])
            assert found == ["x", "I", [1, 0, 0, -300, 5], [[1, 1], [2, 1]], name]


async def test_a_line_is_drawn_around_the_offset_of_the_samples_that_have_come(signed_in: Open) -> None:
    script = """async () => {
        const {Samples} = await import("/page/live/samples.js");
        // Most of the minute is missing: the zeros there are not the level of the lead.
        const signal = new Int16Array(6000).fill(20_000, 5000);
        const fetch = async () => ({sampling_rate: 100, leads: [{signal, adc_gain: 1000, missing: [[0, 5000]]}]});
        const found = await new Promise(done => {
            const samples = new Samples(fetch, () => done(samples.get(0).leadAt(0)));
            samples.follow({sampling_rate: 100});
            samples.look([0]);
        });
        return found.offset;
    }"""
    async with signed_in(Canned()) as tab:
        assert await tab.run(script) == 20


async def test_the_recording_waits_for_a_server_that_is_away(signed_in: Open) -> None:
    canned = Canned(samples=5 * MINUTE, refusal=(503, "The signals cannot be read now, try again"))
    async with signed_in(canned) as tab:
        await row(tab).click()
        banner = tab.page.get_by_role("region", name="Connection")
        await expect(banner).to_contain_text("The signals cannot be read now")
        await expect(banner).to_contain_text("Waiting: the signals of the recording")
        canned.refusal = None
        await tab.page.get_by_role("button", name="Try now").click()
        assert (await drawn(tab))["drawn"] == "5"
        await expect(banner).to_be_hidden()


async def test_an_id_of_somebody_else_or_of_nothing_shows_nothing(signed_in: Open) -> None:
    async with signed_in(Canned()) as tab:
        await opened(tab)
        await tab.page.goto(f"{tab.url}#recordings/other")
        await expect(tab.page.locator("#recording-error")).to_have_text("Recording not found")
        await expect(tab.page.locator("#recording-content")).to_be_hidden()
        await expect(tab.page.locator("#recording-title")).to_have_text("Recording")
        await tab.page.get_by_role("button", name="Sign out").click()
        assert "night" not in await tab.page.content()
        assert await tab.page.locator("#recordings-list li").count() == 0


async def test_a_recording_is_erased_after_a_question(signed_in: Open) -> None:
    canned = Canned()
    async with signed_in(canned) as tab:
        await opened(tab)
        await tab.page.get_by_role("button", name="Erase …").click()
        dialog = tab.page.get_by_role("dialog", name="Erase this recording?")
        await expect(dialog).to_contain_text("night")
        await dialog.get_by_role("button", name="Erase for good").click()
        await expect(tab.page.locator("#recording")).to_be_hidden()
        await expect(tab.page.locator("#recordings")).to_be_hidden()
        assert canned.erased


@pytest.mark.parametrize(("width", "scheme"), APPEARANCES)
async def test_a_recording_is_accessible_on_narrow_and_wide_screens(signed_in: Open, scheme: Any, width: int) -> None:
    canned = Canned(
        gaps=[[MINUTE, 500]], beats={"number_of_beats": 9, "longest_pause": {"seconds": 2, "first_sample": 50}}
    )
    async with signed_in(canned) as tab:
        await tab.page.set_viewport_size({"width": width, "height": 844})
        await tab.page.emulate_media(color_scheme=scheme)
        await opened(tab)
        overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        results = await Axe().run(tab.page)
        assert results.violations_count == 0, results.generate_report()
        assert await tab.run(overflow) <= 0
        await lines(tab).focus()
        await tab.page.keyboard.press("Enter")
        await tab.page.locator("#plot:not([hidden])").wait_for()
        results = await Axe().run(tab.page)
        assert results.violations_count == 0, results.generate_report()
        assert await tab.run(overflow) <= 0


LEADS = [{"name": "I", "adc_gain": 1000}, {"name": "II", "adc_gain": 1000}]


async def begun(client: httpx.AsyncClient) -> str:
    """Begin a recording, and return its path."""
    fields = {"sampling_rate": RATE, "label": "ward 3", "date": "2026-03-01T22:00:00Z"}
    answer = await client.post("/recordings", json={"leads": LEADS, **fields})
    return str(answer.headers["location"])


async def test_a_recording_on_the_way_through_the_pipeline_is_followed_and_read(tab: Tab, pipeline: Pipeline) -> None:
    seconds = 150
    leads = digitised(signals(regular(0.8, seconds), RATE, seconds))[:2]
    async with pipeline.client(token=(owner := await pipeline.register("holter"))) as client:
        path = await begun(client)

        async def add(first: int, end: int) -> None:
            given = [{**lead, "signal": row[first:end].tolist()} for lead, row in zip(LEADS, leads, strict=True)]
            chunk = {"first_sample": first, "sampling_rate": RATE, "leads": given}
            assert (await client.post(f"{path}/chunks", json=chunk)).status_code == 201

        await tab.sign_in(owner)
        listed = tab.page.get_by_role("button", name="ward 3")
        await listed.click()
        facts, state = tab.page.locator("#recording-facts"), tab.page.locator("#recording-state")
        await add(0, MINUTE)
        await expect(facts).to_contain_text("2 leads · 1:00 min · 100 Hz")
        await expect(state).to_contain_text("Live: complete until 1:00")
        # Half a minute is missing.
        await add(MINUTE + MINUTE // 2, 150 * 100)
        await expect(facts).to_contain_text("2:30 min")
        await client.post(f"{path}/end", json={"number_of_samples": 150 * 100})
        await expect(state).to_have_text("Complete: nothing more is awaited · 1 gap, 30 s in all")
        await expect(listed).to_contain_text("complete")
        assert (await drawn(tab))["drawn"] == "3"
        assert await tab.run(GREY, "#disclosure-canvas") == pytest.approx(0.5 / 3, abs=0.03)
        # The chunk arrives late, and is used.
        await add(MINUTE, MINUTE + MINUTE // 2)
        await expect(state).to_contain_text("no gaps · changed by late samples once")
        await expect(tab.page.locator("#disclosure-canvas")).to_have_attribute("data-drawn", "3")

        async def filled() -> bool | None:
            return None if await tab.run(GREY, "#disclosure-canvas") else True

        await eventually(filled, what="a line without a gap")
        await lines(tab).focus()
        await tab.page.keyboard.press("Home")
        # A beat each 0.8 s.
        await expect(tab.page.locator("#disclosure-place")).to_contain_text("75 /min in this minute")
        await expect(tab.page.get_by_role("img", name="Heart rate of the whole recording, from 7")).to_be_visible()
        measured = [text.split("\t") for text in await tab.page.locator("#recording-measurements tr").all_inner_texts()]
        assert [title for title, *_ in measured] == [
            "Beats",
            "Heart rate now, /min",
            "Mean heart rate, /min",
            "Lowest heart rate, /min",
            "Highest heart rate, /min",
            "Longest pause, s",
        ]
        assert float(measured[2][1]) == pytest.approx(75, abs=0.5)
        await tab.page.keyboard.press("End")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#viewer-title")).to_have_text("ward 3, 2:20.0 to 2:30.0")
        await expect(tab.page.get_by_role("checkbox", name="Beats and intervals")).to_be_enabled()
        await expect(tab.page.locator("#facts")).to_contain_text("recorded 1 Mar 2026, 22:02")
        [_, lowest, highest] = (await tab.page.locator("#leads tr").first.inner_text()).split("\t")
        part = leads[0][14_000:] / 1000
        assert (float(lowest.replace("\N{MINUS SIGN}", "-")), float(highest)) == pytest.approx(
            (part.min(), part.max()), abs=0.006
        )


async def test_nobody_but_its_owner_sees_a_recording(tab: Tab, pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("patient")) as client:
        path = await begun(client)
    await tab.sign_in(await pipeline.register("stranger"))
    await expect(tab.page.locator("#earlier-note")).to_have_text("Nothing here yet.")
    await expect(tab.page.locator("#recordings")).to_be_hidden()
    await tab.page.goto(f"{tab.url}#{path.removeprefix('/')}")
    await expect(tab.page.locator("#recording-error")).to_contain_text("not found")
    await expect(tab.page.locator("#recording-content")).to_be_hidden()
    assert "ward 3" not in await tab.page.content()
