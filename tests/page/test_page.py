"""The page in a browser, with real gateways and workers."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FileChooser, Route, expect

from ecg_client.recordings import read
from shared.encoding import packed
from stream_agents.insights.zero_crossings import count_zero_crossings
from tests.page.tab import APPEARANCES, Tab
from tests.support.heartbeats import NAMES, digitised, regular, signals
from tests.support.paths import recordings
from tests.support.pipeline import Pipeline

_users = itertools.count()
NOTHING = "\N{EN DASH}"

# The share of the canvas's columns, and of its rows, that contain pixels in the colour of the trace.
INK = """canvas => {
    const {width, height} = canvas;
    // From a copy, because reading a canvas makes drawing it slower from then on.
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, width, height).data;
    const columns = new Set(), rows = new Set();
    for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i] < 90 && pixels[i + 1] < 90 && pixels[i + 2] < 90) {
            columns.add((i / 4) % width);
            rows.add(Math.floor(i / 4 / width));
        }
    }
    return {columns: columns.size / width, rows: rows.size / height};
}"""


# The columns in the colour of a gap: their share, where they begin, and the share of them with pixels of the trace.
GAP = """canvas => {
    const {width, height} = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, width, height).data;
    const grey = new Array(width).fill(0), ink = new Set();
    for (let i = 0; i < pixels.length; i += 4) {
        const column = (i / 4) % width;
        if (pixels[i] === 0xe6 && pixels[i + 1] === 0xe0 && pixels[i + 2] === 0xdd) grey[column]++;
        if (pixels[i] < 90 && pixels[i + 1] < 90 && pixels[i + 2] < 90) ink.add(column);
    }
    // More pixels than the blurred edges of letters and lines have by chance.
    const gap = grey.flatMap((pixels, column) => (pixels > 20 ? [column] : []));
    // The trace beside the gap may reach into its edges.
    const inked = gap.slice(2, -2).filter(column => ink.has(column));
    return {columns: gap.length / width, begin: gap[0] / width, ink: inked.length / gap.length};
}"""


@pytest_asyncio.fixture
async def token(pipeline: Pipeline) -> str:
    """The token of a new user, without ECGs."""
    return await pipeline.register(f"page-{next(_users)}")


@pytest_asyncio.fixture
async def desk(tab: Tab, token: str) -> AsyncIterator[Tab]:
    """The page after signing in; after the test, it checks that the token was sent in a header only."""
    await tab.sign_in(token)
    yield tab
    assert not any(token in text for text in tab.requests + tab.console)
    assert token not in await tab.page.content()


def write_json(path: Path, leads: dict[str, list[int]], **fields: Any) -> Path:
    path.write_bytes(orjson.dumps({"leads": [{"name": n, "signal": s} for n, s in leads.items()], **fields}))
    return path


def files_of(record: Path) -> list[Path]:
    return [record.with_suffix(".hea"), record.with_suffix(".dat")]


async def test_a_wrong_token_is_reported_at_its_field(tab: Tab) -> None:
    await tab.open()
    field = tab.page.get_by_label("Token")
    for wrong, problem in (("ecg_wrong", "Wrong token."), ("two words", "not a token"), ("", "Enter your token.")):
        await field.fill(wrong)
        await tab.page.get_by_role("button", name="Sign in").click()
        await expect(tab.page.locator("#token-error")).to_contain_text(problem)
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_accessible_description(await tab.page.locator("#token-error").inner_text())
        await expect(field).to_be_focused()
    assert await tab.run("() => sessionStorage.length + localStorage.length") == 0


async def test_an_address_that_names_no_ecg_does_not_prevent_the_sign_in(tab: Tab, token: str) -> None:
    await tab.sign_in(token)
    await tab.page.goto(f"{tab.url}#%")
    await tab.page.reload()
    await tab.page.get_by_role("heading", name="Recordings").wait_for()
    await expect(tab.page.get_by_text("ECG not found")).to_be_visible()


async def test_no_token_is_accepted_over_plain_http_from_another_host(tab: Tab) -> None:
    tab.url = tab.url.replace("127.0.0.1", "far-away.test")
    await tab.open()
    await expect(tab.page.get_by_text("over plain HTTP")).to_be_visible()
    await expect(tab.page.get_by_label("Token")).to_be_hidden()
    # Chromium ignores the opener policy of a page over plain HTTP, and reports that.
    tab.problems = [problem for problem in tab.problems if "Cross-Origin-Opener-Policy" not in problem]


async def test_real_recordings_are_submitted_processed_and_drawn(desk: Tab) -> None:
    records = recordings()
    await desk.submit(*(file for record in records for file in files_of(record)))
    for record, layout in zip(records, ("rows", "standard", "rows"), strict=True):
        main = record.with_suffix(".hea")
        await desk.show(main.name)
        drawn = await desk.drawn()
        assert drawn["layout"] == layout
        assert int(drawn["points"]) > 1000
        ink = await desk.page.locator("#canvas").evaluate(INK)
        assert ink["columns"] > 0.7
        assert ink["rows"] > 0.3
        recording = read(main)
        rows = await desk.page.locator("#leads tr").all_inner_texts()
        cells = [row.split("\t") for row in rows]
        # In their usual spelling, which the file with lower case lacks.
        usual = {name.lower(): name for name in NAMES}
        names = [lead.name for lead in recording.leads]
        assert [cell[0] for cell in cells] == [usual.get(name, name) for name in names]
        crossings = count_zero_crossings([lead.signal for lead in recording.leads])
        assert [int(cell[1].replace(",", "")) for cell in cells] == crossings
        assert await desk.page.locator("#assumed").is_hidden()
        await expect(desk.page.locator("#facts")).to_contain_text("Hz")
    await expect(desk.page.locator("#earlier li")).to_have_count(3)


async def test_measurements_have_units_spreads_and_reasons(desk: Tab, tmp_path: Path) -> None:
    values = signals(regular(0.8, 10), 500, 10)
    values[2] = 0
    leads = [
        {"name": name, "adc_gain": 1000, "signal": row.tolist()}
        for name, row in zip(NAMES[:3], digitised(values[:3]), strict=True)
    ]
    (tmp_path / "rest.json").write_bytes(orjson.dumps({"sampling_rate": 500, "leads": leads}))
    await desk.submit(tmp_path / "rest.json")
    await desk.show("rest.json")
    rows = [row.split("\t") for row in await desk.page.locator("#measurements tr").all_inner_texts()]
    found = {title: (value, remark) for title, value, remark in rows}
    assert float(found["Heart rate, /min"][0]) == pytest.approx(75, abs=1)
    assert found["QRS, ms"][1].startswith("± ")
    assert found["Limb leads add up"][0] == "no"
    assert found["Arm electrodes swapped"] == (NOTHING, "needs usable leads I and V6")
    assert not [title for title in found if "spread" in title or "positions" in title]
    await expect(desk.page.locator("#of-ecg")).to_contain_text("not a diagnosis")
    columns = await desk.page.locator("#columns th").all_inner_texts()
    cells = [row.split("\t") for row in await desk.page.locator("#leads tr").all_inner_texts()]
    assert columns[:4] == ["Lead", "Zero crossings", "Usable", "Reasons"]
    assert [row[2:4] for row in cells] == [["yes", NOTHING], ["yes", NOTHING], ["no", "flat"]]
    await desk.submit(write_json(tmp_path / "plain.json", {"I": [1, -1]}))
    await desk.show("plain.json")
    assert await desk.page.locator("#of-ecg").is_hidden()
    assert await desk.page.locator("#columns th").all_inner_texts() == [
        "Lead",
        "Zero crossings",
        "Lowest, mV",
        "Highest, mV",
    ]


async def test_the_same_file_again_is_the_same_ecg(desk: Tab, tmp_path: Path, pipeline: Pipeline, token: str) -> None:
    path = write_json(tmp_path / "x.json", {"I": [1, -1]})
    await desk.submit(path)
    await desk.done("x.json")
    await desk.submit(path)
    await expect(desk.page.locator("#uploads [data-state=done]")).to_have_count(2)
    async with pipeline.client(token=token) as client:
        assert len((await client.get("/ecgs")).json()["ecgs"]) == 1
    await expect(desk.page.locator("#earlier li")).to_have_count(1)


async def test_a_bad_file_is_reported_and_does_not_stop_the_others(desk: Tab, tmp_path: Path) -> None:
    bad, good = tmp_path / "<b>bad.csv", write_json(tmp_path / "good.json", {"I": [1, -1]})
    bad.write_text("I\n1\nsecret\n")
    odd = write_json(tmp_path / "odd.json", {"I": [1]}, date="yesterday")
    await desk.submit(bad, odd, good)
    await desk.done("good.json")
    for name, reason in (
        ("<b>bad.csv", "line 3, column 1: must be a number"),
        ("odd.json", "date: must be an ISO 8601"),
    ):
        row = desk.upload(name)
        await expect(row).to_have_attribute("data-state", "failed")
        await expect(row).to_contain_text(reason)
    await expect(desk.page.locator("#earlier li")).to_have_count(1)


@pytest.mark.slow
async def test_a_recording_over_the_limit_is_reported(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write_json(tmp_path / "x.json", {"I": [99999] * 4_200_000}))
    await expect(desk.upload("x.json")).to_contain_text("body: must not be over", timeout=30_000)


async def test_recordings_survive_a_reload_until_the_user_signs_out(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write_json(tmp_path / "x.json", {"I": [1, -1]}))
    await desk.show("x.json")
    await desk.page.reload()
    await expect(desk.page.locator("#earlier li")).to_have_count(1)
    # The open ECG is there too, because the address names it.
    await expect(desk.page.locator("#leads tr")).to_have_count(1)
    await desk.page.get_by_role("button", name="Sign out").click()
    await expect(desk.page.locator("#earlier li")).to_have_count(0)
    assert desk.page.url == f"{desk.url}/"
    await desk.page.reload()
    await expect(desk.page.get_by_label("Token")).to_be_visible()
    assert await desk.run("() => sessionStorage.length") == 0


async def test_a_revoked_token_leads_back_to_the_sign_in(tab: Tab, pipeline: Pipeline, tmp_path: Path) -> None:
    await tab.sign_in(await pipeline.register("page-revoked"))
    await pipeline.register("page-revoked")
    await tab.submit(write_json(tmp_path / "x.json", {"I": [1, -1]}))
    await expect(tab.page.locator("#token-error")).to_contain_text("no longer valid")


async def test_ecgs_of_other_clients_with_the_token_appear_by_themselves(
    desk: Tab, pipeline: Pipeline, token: str
) -> None:
    async with pipeline.client(1, token=token) as client:
        await client.post("/ecgs", json={"leads": [{"name": "from a device", "signal": [1, -1]}]})
    await expect(desk.page.locator("#earlier")).to_contain_text("from a device")


async def test_everything_can_be_done_with_the_keyboard(tab: Tab, token: str, tmp_path: Path) -> None:
    keyboard = tab.page.keyboard

    async def tab_to(selector: str) -> None:
        # Enough to pass all recordings in the list, of which other tests may have left a page.
        for _ in range(200):
            if await tab.page.evaluate("selector => document.activeElement?.matches(selector)", selector):
                outline = "() => getComputedStyle(document.activeElement).outlineStyle"
                assert await tab.page.evaluate(outline) != "none", f"the focus on {selector} cannot be seen"
                return
            await keyboard.press("Tab")
        raise AssertionError(f"{selector} cannot be reached")

    # Listen from the beginning: if the listener is added just before the key press, the browser may still open its own
    # chooser.
    choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
    tab.page.on("filechooser", choosers.put_nowait)
    await tab.open()
    await tab_to("#token")
    await keyboard.type(token)
    await keyboard.press("Enter")
    await tab.page.get_by_role("heading", name="Recordings").wait_for()
    await tab_to("#choose")
    await keyboard.press("Enter")
    chooser = await asyncio.wait_for(choosers.get(), 30)
    signal = [int(value) for value in 900 * np.sin(np.arange(30_000) / 30)]
    path = write_json(tmp_path / "long.json", {"I": signal}, sampling_rate=500)
    await chooser.set_files(path)
    await tab.done("long.json")
    await tab_to("#uploads button")
    await keyboard.press("Enter")
    await expect(tab.page.locator("#viewer-title")).to_be_focused()
    await tab_to("#frame")
    start = await tab.drawn()
    await keyboard.press("ArrowRight")
    assert float((await tab.drawn())["time"]) > float(start["time"])
    await keyboard.press("+")
    assert float((await tab.drawn())["speed"]) > float(start["speed"])
    await keyboard.press("1")
    assert float((await tab.drawn())["speed"]) == 25
    await keyboard.press("End")
    assert float((await tab.drawn())["time"]) > 40
    await keyboard.press("0")
    assert float((await tab.drawn())["time"]) == 0
    await tab_to("#findings")
    await keyboard.press("Shift+Tab")
    await tab_to("#earlier button")


@pytest.mark.slow
async def test_half_an_hour_is_panned_and_zoomed_with_a_bounded_number_of_points(desk: Tab) -> None:
    record = recordings()[0]
    await desk.submit(*files_of(record))
    await desk.show(record.with_suffix(".hea").name)
    canvas = desk.page.locator("#canvas")
    box = await canvas.bounding_box()
    assert box is not None
    most = 2 * 4 * box["width"] + 100
    whole = 650_000 * 2
    assert most < whole / 50
    await desk.page.get_by_role("button", name="Whole").click()
    drawn = await desk.drawn()
    assert (await canvas.evaluate(INK))["columns"] > 0.9
    # The overview: a point has at most the samples of its line, or the pixels.
    assert drawn["layout"] == "overview"
    await desk.page.get_by_label("Layout").select_option("rows")
    await desk.page.get_by_label("Go to").fill("15:00")
    await desk.page.get_by_label("Go to").press("Enter")
    await desk.drawn()
    box = await canvas.bounding_box()
    assert box is not None
    await desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    await desk.page.keyboard.down("Control")
    for wheel, least, most_speed in ((400, 0, 1), (-400, 100, 400)):
        speeds = [float((await desk.drawn())["speed"])]
        while not least <= speeds[-1] <= most_speed:
            await desk.page.mouse.wheel(0, wheel)
            drawn = await desk.drawn()
            assert 0 < int(drawn["points"]) <= most
            speeds.append(float(drawn["speed"]))
            assert (speeds[-1] > speeds[-2]) == (wheel < 0)
    await desk.page.keyboard.up("Control")
    # The point under the pointer has stayed in place.
    assert 895 < float(drawn["time"]) < 905
    await desk.page.mouse.down()
    await desk.page.mouse.move(box["x"] + 30, box["y"] + 100, steps=5)
    await desk.page.mouse.up()
    assert float((await desk.drawn())["time"]) > float(drawn["time"])
    await desk.page.locator("#position").fill("1200")
    assert abs(float((await desk.drawn())["time"]) - 1200) < 1


async def test_two_fingers_zoom_and_one_moves(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write_json(tmp_path / "x.json", {"I": [500, -500] * 10_000}, sampling_rate=500))
    await desk.show("x.json")
    box = await desk.page.locator("#canvas").bounding_box()
    assert box is not None
    fingers = await desk.page.context.new_cdp_session(desk.page)
    y = box["y"] + 50

    async def touch(kind: str, *xs: float) -> None:
        points = [{"x": box["x"] + x, "y": y, "id": i} for i, x in enumerate(xs)]
        await fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = await desk.drawn()
    await touch("touchStart", 400, 500)
    for apart in (20, 40, 60, 80, 100):
        await touch("touchMove", 400 - apart, 500 + apart)
    await touch("touchEnd")
    zoomed = await desk.drawn()
    assert float(zoomed["speed"]) == pytest.approx(3 * float(before["speed"]), rel=0.05)
    await touch("touchStart", 600)
    for x in (560, 500, 400):
        await touch("touchMove", x)
    await touch("touchEnd")
    moved = await desk.drawn()
    assert moved["speed"] == zoomed["speed"]
    assert float(moved["time"]) > float(zoomed["time"]) + 0.3


async def test_a_missing_rate_and_gain_are_assumed_and_can_be_changed(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write_json(tmp_path / "x.json", {"I": [100, -100] * 5000}))
    await desk.show("x.json")
    await expect(desk.page.locator("#assumption")).to_contain_text("sampling rate and the gain")
    rate, gain = desk.page.get_by_label("Sampling rate, Hz", exact=True), desk.page.get_by_label("ADC units per mV")
    await expect(rate).to_have_value("500")
    await expect(gain).to_have_value("1000")
    await expect(desk.page.locator("#facts")).to_contain_text("20 s at the rate assumed")
    await rate.fill("100")
    await rate.press("Enter")
    await expect(desk.page.locator("#facts")).to_contain_text("1:40 min at the rate assumed")
    ink = await desk.page.locator("#canvas").evaluate(INK)
    await gain.fill("100")
    await gain.press("Enter")
    await desk.drawn()
    assert (await desk.page.locator("#canvas").evaluate(INK))["rows"] > ink["rows"]
    await gain.fill("-1")
    await gain.press("Enter")
    await expect(gain).to_have_attribute("aria-invalid", "true")


async def test_a_standard_ecg_can_be_shown_in_rows(desk: Tab) -> None:
    record = recordings()[1]
    await desk.submit(*files_of(record))
    await desk.show(record.with_suffix(".hea").name)
    await desk.page.get_by_label("Layout").select_option("rows")
    assert (await desk.drawn())["layout"] == "rows"
    await desk.page.get_by_label("Gain").select_option("4")
    await desk.drawn()
    picture = "canvas => canvas.toDataURL()"
    before = await desk.page.locator("#canvas").evaluate(picture)
    await desk.page.locator("#frame").press("ArrowDown")
    await desk.drawn()
    assert await desk.page.locator("#canvas").evaluate(picture) != before


async def test_samples_of_64_bits_are_drawn_and_counted(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write_json(tmp_path / "x.json", {"I": [2**63 - 1, -(2**63), 2**53 + 1, 0] * 500, "empty": []}))
    await desk.show("x.json")
    assert int((await desk.drawn())["points"]) > 0
    crossings = count_zero_crossings([np.array([2**63 - 1, -(2**63), 2**53 + 1, 0] * 500)])[0]
    await expect(desk.page.locator("#leads tr").first).to_contain_text(f"{crossings:,}")


async def test_names_with_markup_are_shown_as_text(desk: Tab, tmp_path: Path) -> None:
    name = '<img src=x onerror="document.title=1">'
    await desk.submit(write_json(tmp_path / "<i>x.json", {name: [1, -1], "</td>": [1]}))
    await desk.show("<i>x.json")
    await expect(desk.page.locator("#leads th").first).to_have_text(name)
    assert await desk.page.locator("main img, main i").count() == 0
    assert await desk.page.title() == "Electrocardiograms"


async def test_a_submission_that_gets_503_is_sent_again(desk: Tab, tmp_path: Path) -> None:
    refused: list[str] = []

    async def once(route: Route) -> None:
        if route.request.method == "POST" and len(refused) < 2:
            refused.append(route.request.headers["idempotency-key"])
            await route.fulfill(status=503, headers={"retry-after": "0"}, json={"detail": "Not now"})
        else:
            refused.extend([route.request.headers["idempotency-key"]] if route.request.method == "POST" else [])
            await route.continue_()

    await desk.page.route("**/ecgs", once)
    await desk.submit(write_json(tmp_path / "x.json", {"I": [1, -1]}))
    await desk.done("x.json")
    assert len(refused) == 3
    assert len(set(refused)) == 1


async def test_insights_are_polled_without_a_stream_of_events(tab: Tab, token: str, tmp_path: Path) -> None:
    await tab.page.route("**/events", lambda route: route.fulfill(status=404, json={"detail": "Not Found"}))
    asked: list[str | None] = []
    tab.page.on("request", lambda r: asked.append(r.headers.get("prefer")) if r.url.endswith("/insights") else None)
    await tab.sign_in(token)
    await tab.submit(write_json(tmp_path / "x.json", {"I": [1, -1]}))
    await tab.done("x.json")
    assert asked[0] == "wait=10"


async def test_insights_are_not_polled_with_a_stream_of_events(tab: Tab, token: str, tmp_path: Path) -> None:
    # Wait for the second request for the list: the page makes it once the stream is open. Until then it polls.
    looks = itertools.count(1)
    async with tab.page.expect_request(lambda r: r.method == "GET" and "/ecgs" in r.url and next(looks) == 2):
        await tab.sign_in(token)
    # Two files, because the only one would be opened, with its insights.
    await tab.submit(*(write_json(tmp_path / f"{name}.json", {"I": [1, -1]}) for name in "xy"))
    await tab.done("x.json")
    await tab.done("y.json")
    assert not any(url.endswith("/insights") for url in tab.requests)


async def test_csv_files_have_a_unit_and_a_rate(desk: Tab, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("I,II\n" + "0.5,-0.25\n-0.5,0.25\n" * 500)
    await desk.page.get_by_text("CSV files").click()
    await desk.page.get_by_label("Their numbers are").select_option("mv")
    await desk.page.get_by_label("Sampling rate, Hz, if known").fill("250")
    await desk.submit(tmp_path / "x.csv")
    await desk.show("x.csv")
    await expect(desk.page.locator("#facts")).to_contain_text("4 s · 250 Hz · 100 ADC units/mV")
    await expect(desk.page.locator("#leads tr").first).to_contain_text("0.50")


async def test_missing_samples_are_a_gap_in_the_drawing_and_ranges_in_the_ecg(
    desk: Tab, tmp_path: Path, pipeline: Pipeline, token: str
) -> None:
    beat = ["500", "-500"]
    (tmp_path / "x.csv").write_text("\n".join(["I", *beat * 200, *["nan"] * 200, *beat * 200, ""]))
    await desk.page.get_by_text("CSV files").click()
    # Ten seconds, which fill the width.
    await desk.page.get_by_label("Sampling rate, Hz, if known").fill("100")
    await desk.submit(tmp_path / "x.csv")
    await expect(await desk.done("x.csv")).to_contain_text("I: 200 missing samples became 0")
    await desk.show("x.csv")
    await desk.drawn()
    gap = await desk.page.locator("#canvas").evaluate(GAP)
    # A fifth of the time, in the middle of the trace.
    assert 0.15 < gap["columns"] < 0.25
    assert 0.35 < gap["begin"] < 0.45
    assert gap["ink"] == 0
    await expect(desk.page.locator("#columns")).to_contain_text("Missing")
    await expect(desk.page.locator("#leads tr").first).to_contain_text("200")
    async with pipeline.client(token=token) as client:
        [ecg] = (await client.get("/ecgs")).json()["ecgs"]
        [lead] = (await client.get(f"/ecgs/{ecg['id']}")).json()["leads"]
    assert (lead["missing"], lead["signal"][400:600]) == ([[400, 200]], [0] * 200)


async def test_a_files_name_is_its_label_unless_the_user_says_not_to(
    desk: Tab, tmp_path: Path, pipeline: Pipeline, token: str
) -> None:
    await desk.submit(write_json(tmp_path / "night 1.json", {"I": [1, -1]}))
    await desk.done("night 1.json")
    await desk.page.get_by_label("Use file names as labels").uncheck()
    await desk.submit(write_json(tmp_path / "rest.json", {"I": [1, -1, 1]}))
    await desk.done("rest.json")
    async with pipeline.client(token=token) as client:
        labels = [ecg.get("label") for ecg in (await client.get("/ecgs")).json()["ecgs"]]
        assert sorted(labels, key=str) == [None, "night 1.json"]
        found = (await client.get("/ecgs", params={"label": "night"})).json()["ecgs"]
        assert [ecg["label"] for ecg in found] == ["night 1.json"]
    # After the reload, the page knows the name from the list alone.
    await desk.page.reload()
    await desk.page.get_by_role("heading", name="Recordings").wait_for()
    await expect(desk.page.locator("#earlier li")).to_have_count(2)
    await expect(desk.page.locator("#earlier")).to_contain_text("night 1.json")
    await expect(desk.page.locator("#earlier")).not_to_contain_text("rest.json")
    await desk.page.locator("#earlier").get_by_text("night 1.json").click()
    await expect(desk.page.locator("#viewer-title")).to_have_text("night 1.json")


async def test_only_the_chosen_leads_are_submitted(desk: Tab, tmp_path: Path, pipeline: Pipeline, token: str) -> None:
    (tmp_path / "x.csv").write_text("ECG,RSP,V5\n1,2,3\n-1,5,-3\n")
    await desk.page.get_by_text("CSV files").click()
    leads = desk.page.get_by_label("Only these leads")
    await leads.fill("V5, RSP")
    await desk.submit(tmp_path / "x.csv")
    await desk.show("x.csv")
    await expect(desk.page.locator("#leads th")).to_have_text(["V5", "RSP"])
    async with pipeline.client(token=token) as client:
        [ecg] = (await client.get("/ecgs")).json()["ecgs"]
        assert [lead["name"] for lead in ecg["leads"]] == ["V5", "RSP"]
    await leads.fill("V6")
    await desk.submit(tmp_path / "x.csv")
    await expect(desk.page.locator("#uploads")).to_contain_text("has no lead V6: its channels are ECG, RSP, V5")


async def test_a_dropped_file_is_submitted(desk: Tab) -> None:
    drop = """text => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], "dropped.csv"));
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }"""
    await desk.run(drop, "I\n1\n-1\n")
    await desk.done("dropped.csv")


async def test_a_printed_ecg_is_in_true_millimetres(desk: Tab) -> None:
    record = recordings()[1]
    await desk.submit(*files_of(record))
    await desk.show(record.with_suffix(".hea").name)
    width = await desk.run("""() => {
        window.dispatchEvent(new Event("beforeprint"));
        const canvas = document.querySelector("#canvas");
        return {width: parseFloat(canvas.style.width), speed: Number(canvas.dataset.speed)};
    }""")
    assert width["speed"] == 25
    assert abs(width["width"] / 96 * 25.4 - 277) < 0.1
    await desk.run("() => window.dispatchEvent(new Event('afterprint'))")
    assert await desk.page.locator("#canvas").evaluate("canvas => canvas.style.width") == ""


@pytest.mark.parametrize(("width", "scheme"), APPEARANCES)
async def test_the_page_is_accessible(tab: Tab, token: str, tmp_path: Path, scheme: Any, width: int) -> None:
    await tab.page.set_viewport_size({"width": width, "height": 844})
    await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")

    async def check(where: str) -> None:
        results = await Axe().run(tab.page)
        assert results.violations_count == 0, f"{where}: {results.generate_report()}"
        overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await tab.run(overflow) <= 0, f"{where} is wider than the screen"

    await tab.open()
    await tab.page.get_by_label("Token").fill("wrong")
    await tab.page.get_by_role("button", name="Sign in").click()
    await expect(tab.page.locator("#token-error")).to_have_text("Wrong token.")
    await check("the sign-in")
    await tab.sign_in(token)
    (tmp_path / "bad.csv").write_text("I\nx\n")
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    await tab.submit(write_json(tmp_path / "x.json", dict.fromkeys(names, [10, -10] * 100)), tmp_path / "bad.csv")
    await tab.show("x.json")
    await check("the desk")


async def test_ecgs_travel_packed_in_both_directions(desk: Tab, tmp_path: Path) -> None:
    sent, answered = [], []
    desk.page.on("request", lambda request: sent.append((request.method, request.headers.get("content-type"))))
    desk.page.on("response", lambda response: answered.append((urlsplit(response.url).path, response.headers)))
    leads = {"I": [1, -1, 300] * 50, "II": [2**40, 0, -1] * 50, "III": [1, 0, 1] * 50}
    await desk.submit(write_json(tmp_path / "x.json", leads | {"IV": [12345, -12345] * 500}))
    await desk.show("x.json")
    assert ("POST", packed.CONTENT_TYPE) in sent
    assert packed.CONTENT_TYPE in [
        headers.get("content-type") for path, headers in answered if re.fullmatch("/ecgs/[^/]+", path)
    ]
    await expect(desk.page.locator("#leads tr")).to_have_count(4)


async def test_an_older_gateway_gets_json(desk: Tab, tmp_path: Path) -> None:
    types: list[str] = []

    async def older(route: Route) -> None:
        if route.request.method == "POST":
            types.append(route.request.headers["content-type"])
        if types[-1:] == [packed.CONTENT_TYPE]:
            problem = {"detail": "content-type: must be application/json", "field": "content-type"}
            await route.fulfill(status=415, json=problem)
        else:
            await route.continue_()

    await desk.page.route("**/ecgs", older)
    for name in ("x.json", "y.json"):
        # Long enough to be smaller packed than as JSON.
        await desk.submit(write_json(tmp_path / name, {"I": [1, -1] * 100}))
        await desk.done(name)
    assert types == [packed.CONTENT_TYPE, "application/json", "application/json"]
