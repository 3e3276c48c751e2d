"""The web page in headless Chromium: opening an ECG, the frames while its paper moves, and the heap afterwards."""

import itertools
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page, async_playwright

from benchmarks.ecgs import SAMPLING_RATE, USERNAME, Size, windows
from benchmarks.markdown import figure, table
from benchmarks.run import Figures, Run
from benchmarks.services import Pipeline, kafka
from ecg_client import AsyncEcgClient, Recording
from shared.settings import MIB

SHEET, LONG = "12 leads, 38 s at 500 Hz", "2 leads, 30 min at 360 Hz"
_SHEET_SAMPLES, _LONG_RATE, _LONG_SAMPLES = 19_000, 360.0, 648_000
_LONG_LEADS = ("II", "V1")
_GAIN = 1000.0
_WINDOW = (1440, 900)
_PROCESSED_TIMEOUT = 60.0
# Seconds in one direction: the paper must not reach an end of the recording.
_THERE = 0.5
_KEY_REPEAT = 1 / 30

# From a click anywhere to the beginning of the frame after the one that drew the sheet, in milliseconds. What may be
# drawn on the hidden canvas before that is the ECG that was open until then.
_OPENING = """() => ({milliseconds: new Promise(done => {
    document.addEventListener("click", ({timeStamp}) => {
        const drawn = new MutationObserver(() => {
            if (document.querySelector("#plot").hidden) return;
            drawn.disconnect();
            requestAnimationFrame(() => done(performance.now() - timeStamp));
        });
        drawn.observe(document.querySelector("#canvas"), {attributeFilter: ["data-time"]});
    }, {capture: true, once: true});
})})"""
_TO_THE_MIDDLE = """position => {
    position.value = position.max / 2;
    position.dispatchEvent(new Event("input"));
}"""
_FRAMES = """() => {
    const frames = {times: [], places: [], going: true};
    const take = time => {
        frames.times.push(time);
        frames.places.push(document.querySelector("#canvas").dataset.time);
        if (frames.going) requestAnimationFrame(take);
    };
    requestAnimationFrame(take);
    return frames;
}"""
# The frames' times, and the number of those at which the paper had moved.
_END = """frames => {
    frames.going = false;
    const {times, places} = frames;
    return [times, places.filter((place, i) => i > 0 && place !== places[i - 1]).length];
}"""


async def run(run: Run) -> Figures:
    """Submit the ECGs, and open and move them in turn.

    Raises:
        RuntimeError: if there is no Chromium.
    """
    figures = Figures()
    directory = run.directory / "page"
    async with kafka(run.distribution, directory / "kafka") as cluster:
        with Pipeline(cluster.bootstrap_servers, directory) as pipeline:
            await pipeline.start_gateway()
            await pipeline.balanced([pipeline.start_worker()])
            url, token = f"http://127.0.0.1:{pipeline.gateways[0].port}", pipeline.register(USERNAME)
            ids = await _submit(url, token)
            async with _signed_in(url, token) as page:
                for ecg_id in ids.values():
                    # The first time, scripts are compiled.
                    await _open(page, ecg_id)
                for i in range(run.pick(15, 3)):
                    run.say(f"page: opening, round {i + 1}")
                    for name, ecg_id in ids.items():
                        figures.add(f"page/{name}/open_ms", await _open(page, ecg_id))
                for i in range(run.pick(5, 1)):
                    run.say(f"page: moving, round {i + 1}")
                    for name, ecg_id in ids.items():
                        await _open(page, ecg_id)
                        for way, move in WAYS.items():
                            rate, longest = await _moved(page, move, run.pick(3.0, 2.0))
                            figures.add(f"page/{name}/{way}/fps", rate)
                            figures.add(f"page/{name}/{way}/longest_ms", longest)
                        figures.add(f"page/{name}/heap_mib", await _heap(page) / MIB)
    return figures


def _recordings() -> dict[str, Recording]:
    """Return the ECGs to open; the long one repeats the recording, because only its length matters."""
    leads = {lead.name: lead.signal for lead in windows(Size(_SHEET_SAMPLES))[0]}
    by_name = {name.casefold(): signal for name, signal in leads.items()}
    long = {name: np.resize(by_name[name.casefold()], _LONG_SAMPLES) for name in _LONG_LEADS}
    return {
        SHEET: Recording.of(leads, sampling_rate=SAMPLING_RATE, adc_gain=_GAIN, label=SHEET),
        LONG: Recording.of(long, sampling_rate=_LONG_RATE, adc_gain=_GAIN, label=LONG),
    }


async def _submit(url: str, token: str) -> dict[str, str]:
    """Return the ids of the ECGs once they have insights."""
    async with AsyncEcgClient(url, token) as client:
        ids = {name: await client.submit(recording) for name, recording in _recordings().items()}
        for ecg_id in ids.values():
            await client.wait_for_insights(ecg_id, _PROCESSED_TIMEOUT)
    return ids


@asynccontextmanager
async def _signed_in(url: str, token: str) -> AsyncIterator[Page]:
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("the page needs Chromium, and there is none")
    async with async_playwright() as playwright:
        # Chromium's sandbox needs rights that containers lack, and is not needed: only our own page is opened.
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": _WINDOW[0], "height": _WINDOW[1]}, locale="en-GB")
            await page.goto(url)
            await page.get_by_label("Token").fill(token)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("heading", name="Recordings").wait_for()
            yield page
        finally:
            await browser.close()


async def _open(page: Page, ecg_id: str) -> float:
    """Click on an ECG's row, and return the milliseconds until its sheet is drawn."""
    opening = await page.evaluate_handle(_OPENING)
    await page.locator(f'#earlier button[data-id="{ecg_id}"]').click()
    return float(await opening.evaluate("opening => opening.milliseconds"))


async def _moved(page: Page, move: Callable[[Page, float], Awaitable[None]], seconds: float) -> tuple[float, float]:
    """Move the paper, and return the frames in a second, and the milliseconds of the longest frame.

    Raises:
        RuntimeError: if the paper did not move.
    """
    await page.locator("#position").evaluate(_TO_THE_MIDDLE)
    await page.locator("#frame").focus()
    frames = await page.evaluate_handle(_FRAMES)
    await move(page, seconds)
    times, moves = await frames.evaluate(_END)
    if not moves:
        raise RuntimeError("the paper did not move")
    lasted = np.diff(times)
    return 1000 / float(lasted.mean()), float(lasted.max())


async def _keys(page: Page, seconds: float) -> None:
    """Hold an arrow key, and then its opposite, and so on."""
    for key, end in zip(itertools.cycle(("ArrowRight", "ArrowLeft")), _turns(seconds), strict=False):
        while (now := time.monotonic()) < end:
            # Again without a release in between: a repeat.
            await page.keyboard.down(key)
            await page.wait_for_timeout(max(_KEY_REPEAT - (time.monotonic() - now), 0) * 1000)
        await page.keyboard.up(key)


async def _drag(page: Page, seconds: float) -> None:
    """Drag the paper to and fro, as fast as the browser takes the pointer's moves: once a frame."""
    x, y = await _middle(page)
    await page.mouse.move(x, y)
    await page.mouse.down()
    for step, end in zip(itertools.cycle((-12, 12)), _turns(seconds), strict=False):
        while time.monotonic() < end:
            x += step
            await page.mouse.move(x, y)
    await page.mouse.up()


async def _wheel(page: Page, seconds: float) -> None:
    """Turn the wheel to and fro, as fast as the browser takes it."""
    await page.mouse.move(*await _middle(page))
    for step, end in zip(itertools.cycle((40, -40)), _turns(seconds), strict=False):
        while time.monotonic() < end:
            await page.mouse.wheel(0, step)


WAYS: Mapping[str, Callable[[Page, float], Awaitable[None]]] = {
    "arrow key held": _keys,
    "dragging": _drag,
    "wheel": _wheel,
}


def _turns(seconds: float) -> list[float]:
    """Return the times at which the direction changes, as `time.monotonic` tells them."""
    begun = time.monotonic()
    return [begun + (i + 1) * _THERE for i in range(round(seconds / _THERE))]


async def _middle(page: Page) -> tuple[float, float]:
    box = await page.locator("#canvas").bounding_box()
    if box is None:
        raise RuntimeError("the paper is not shown")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def _heap(page: Page) -> int:
    """Return the bytes of the JavaScript heap, with its typed arrays, after a garbage collection."""
    session = await page.context.new_cdp_session(page)
    try:
        await session.send("HeapProfiler.collectGarbage")
        usage: dict[str, Any] = await session.send("Runtime.getHeapUsage")
        return int(usage["usedSize"] + usage.get("backingStorageSize", 0))
    finally:
        await session.detach()


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    text = f"""## The web page

In headless Chromium, which draws with the processor alone, in a window of {_WINDOW[0]} x {_WINDOW[1]} at one device
pixel for each CSS pixel. **Open** is the time from the click on an ECG's row until the frame after its sheet is drawn:
it fetches the ECG and its insights from the gateway anew. **Frames** are those of a second while the paper moves to and
fro, at most 60, and **longest** is the longest time between two; the arrow key repeats {1 / _KEY_REPEAT:.0f} times a
second. **Heap** is JavaScript's, with its typed arrays, after all that and a garbage collection.

"""
    columns = [
        "",
        "open, ms",
        *itertools.chain.from_iterable((f"{way}: frames/s", "longest, ms") for way in WAYS),
        "heap, MiB",
    ]
    rows = []
    for name in (SHEET, LONG):
        moving = [f"page/{name}/{way}/{what}" for way in WAYS for what in ("fps", "longest_ms")]
        keys = [f"page/{name}/open_ms", *moving, f"page/{name}/heap_mib"]
        rows.append([name, *(figure(figures.spread(key)) for key in keys)])
    return text + table(columns, rows)
