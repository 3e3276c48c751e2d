"""The downloads of an ECG as PDF, PNG, CSV and WFDB, compared with the submission."""

import base64
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from ecg_client.recordings import read
from ecg_client.recordings.exported_table import write_exported
from tests.page.tab import Tab
from tests.support.heartbeats import NAMES, digitised, regular, signals
from tests.support.pipeline import Pipeline

_users = itertools.count()
# Points of a PDF in a millimetre.
MM = 72 / 25.4
# CSS pixels in a millimetre: the unit in which pages are drawn.
PX = 96 / 25.4


@pytest_asyncio.fixture
async def desk(tab: Tab, pipeline: Pipeline) -> Tab:
    await tab.sign_in(await pipeline.register(f"downloads-{next(_users)}"))
    return tab


def write(path: Path, seconds: float, names: Sequence[str] = NAMES, **fields: Any) -> Path:
    values = digitised(signals(regular(0.8, seconds), 500, seconds)[: len(names)])
    leads = [{"name": n, "adc_gain": 1000.0, "signal": row.tolist()} for n, row in zip(names, values, strict=True)]
    path.write_bytes(orjson.dumps({"sampling_rate": 500.0, "leads": leads, **fields}))
    return path


async def download(tab: Tab, kind: str, *, window: bool = False) -> tuple[str, bytes]:
    """Download the ECG that is open, and return the file's name and content."""
    await tab.page.get_by_role("button", name="Download …").click()
    dialog = tab.page.get_by_role("dialog", name="Download")
    await dialog.get_by_label("As", exact=True).select_option(kind)
    if window:
        await dialog.get_by_role("radio").last.check()
    async with tab.page.expect_download() as coming:
        await dialog.get_by_role("button", name="Download").click()
    file = await coming.value
    await expect(dialog).to_be_hidden()
    return file.suggested_filename, Path(await file.path()).read_bytes()


def pages_of(pdf: bytes) -> list[str]:
    """Return the content of each page. Checks that every object stands where the document says."""
    start = int(pdf.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    table = pdf[start:].split(b"trailer")[0].split(b"\n")
    for number, entry in enumerate(table[3:-1], start=1):
        assert pdf[int(entry[:10]) :].startswith(f"{number} 0 obj\n".encode())
    contents = [int(found) for found in re.findall(rb"/Contents (\d+) 0 R", pdf)]
    found = []
    for number in contents:
        stream = pdf[pdf.index(f"\n{number} 0 obj\n".encode()) :].split(b"stream\n", 1)[1]
        found.append(zlib.decompressobj().decompress(stream).decode())
    return found


def texts_of(page: str) -> list[str]:
    """Return the texts of a page, each once: outlines of letters are left out."""
    return [bytes.fromhex(code).decode("cp1252") for code in re.findall(r"BT 0 Tr .*<([0-9a-f]+)> Tj ET", page)]


def pulses_of(page: str) -> list[np.ndarray[Any, Any]]:
    """Return the corners of calibration pulses: lines of six points, of which the middle two are 5 mm apart."""
    lines = re.findall(r"((?:[-\d.]+ [-\d.]+ [ml]\n){6})S", page)
    points = [np.array([line.split()[:2] for line in text.strip().split("\n")], float) for text in lines]
    return [line for line in points if abs(line[3, 0] - line[2, 0] - 5 * PX) < 0.01]


@pytest.mark.parametrize(
    ("kind", "size"), [("a4", (297, 210)), pytest.param("letter", (279.4, 215.9), marks=pytest.mark.slow)]
)
async def test_a_pdf_is_to_scale_and_has_label_date_insights_and_all_leads(
    desk: Tab, tmp_path: Path, kind: str, size: tuple[float, float]
) -> None:
    await desk.submit(write(tmp_path / "rest (1).json", 10, date="2024-03-01T10:30:00Z"))
    await desk.show("rest (1).json")
    name, pdf = await download(desk, kind)
    assert name == "rest (1).pdf"
    [box] = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert [float(length) / MM for length in box] == pytest.approx(size, abs=0.01)
    assert b"/PrintScaling /None" in pdf
    [page] = pages_of(pdf)
    # A pixel is three quarters of a point, so that 96 pixels are an inch; y goes down.
    assert page.startswith(f"0.75 0 0 -0.75 0 {size[1] * MM:.3f}".rstrip("0").rstrip(".") + " cm")
    pulses = pulses_of(page)
    assert len(pulses) == 4
    for pulse in pulses:
        assert pulse[1, 1] - pulse[2, 1] == pytest.approx(10 * PX, abs=0.01)
    # The longest line is lead II, over all ten seconds at 25 mm/s, with every sample.
    longest = max(re.findall(r"(?:[-\d.]+ [-\d.]+ [ml]\n)+", page), key=len).strip().split("\n")
    xs = [float(point.split()[0]) for point in longest]
    assert len(longest) == 5000
    assert xs[-1] - xs[0] == pytest.approx(250 * PX * 4999 / 5000, abs=0.05)
    texts = texts_of(page)
    assert texts[0] == "rest (1).json"
    assert "recorded 1 Mar 2024, 10:30" in texts[1]
    assert "submitted" in texts[1]
    assert texts[2].startswith("ECG ")
    assert "25 mm/s · 10 mm/mV" in texts
    assert set(NAMES) <= set(texts)
    assert "Heart rate, /min" in texts
    assert "Measurements for people who can judge them, not a diagnosis." in texts
    assert texts[-2:] == ["0:00.0 to 0:10.0 of 0:10.0", "Page 1 of 1"]


async def test_a_long_recording_has_numbered_pages_or_only_the_part_shown(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write(tmp_path / "long.json", 65))
    await desk.show("long.json")
    _, pdf = await download(desk, "a4")
    pages = [texts_of(page) for page in pages_of(pdf)]
    assert len(pages) == 7
    assert [page[-1] for page in pages] == [f"Page {i} of 7" for i in range(1, 8)]
    assert pages[1][-2] == "0:10.0 to 0:20.0 of 1:05.0"
    assert [page[0] for page in pages] == ["long.json"] * 7
    await desk.page.locator("#position").fill("30")
    await desk.drawn()
    start = float((await desk.drawn())["time"])
    _, pdf = await download(desk, "a4", window=True)
    first = texts_of(pages_of(pdf)[0])
    assert first[-2].startswith(f"0:{start:.1f} to ")
    await desk.page.get_by_role("button", name="Whole").click()
    await desk.drawn()
    [page] = pages_of((await download(desk, "a4", window=True))[1])
    texts = texts_of(page)
    assert {"0:00", "1:00", "a minute a line · 2.5 mm/mV"} <= set(texts)
    assert texts[-2:] == ["0:00.0 to 1:05.0 of 1:05.0", "Page 1 of 1"]


async def test_a_pdf_has_layout_speed_gain_filters_and_calipers_of_the_screen(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write(tmp_path / "rest.json", 10))
    await desk.show("rest.json")

    async def choose(**options: str) -> list[str]:
        for name, value in options.items():
            await desk.page.locator(f"#{name}").select_option(value)
        await desk.drawn()
        return pages_of((await download(desk, "a4"))[1])

    filters = " · filters for the eye: baseline (0.5 Hz high-pass)"
    await desk.page.get_by_label("Baseline").check()
    for layout, rows in (("six", 6), ("cabrera", 6), ("rows", 12)):
        [page] = await choose(layout=layout)
        texts = texts_of(page)
        assert len(pulses_of(page)) == rows
        assert f"25 mm/s · 10 mm/mV{filters}" in texts
        assert ("-aVR" in texts) == (layout == "cabrera")
    # Rows that do not fit go on to other pages, each with all of its waves.
    pages = await choose(amplitude="4")
    assert len(pages) > 1
    assert [name for page in pages for name in texts_of(page) if name in NAMES] == list(NAMES)
    await choose(layout="standard", speed="50")
    await desk.page.get_by_label("Calipers").check()
    pages = await choose(amplitude="2")
    written = [texts_of(page) for page in pages]
    assert [page[-2] for page in written] == ["0:00.0 to 0:05.0 of 0:10.0", "0:05.0 to 0:10.0 of 0:10.0"]
    assert all(f"50 mm/s · 20 mm/mV{filters}" in page for page in written)
    for page in pages:
        assert all(pulse[1, 1] - pulse[2, 1] == pytest.approx(20 * PX, abs=0.01) for pulse in pulses_of(page))
    # A second in the middle of the window, of which the second page shows nothing.
    assert [any(text.startswith("1000 ms · 60.0 /min") for text in page) for page in written] == [True, False]


async def test_a_pdf_has_labels_in_any_script(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write(tmp_path / "Müller 心电图.json", 10, ["I"]))
    await desk.show("Müller 心电图.json")
    name, pdf = await download(desk, "a4")
    assert name == "Müller 心电图.pdf"
    [page] = pages_of(pdf)
    assert "/P0 Do" in page
    assert b"/ImageMask true" in pdf
    assert "Müller 心电图".encode("utf-16-be").hex().encode() in pdf


# The size of a picture, and the share of its columns with dark pixels.
INKED = """async content => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
    const {width, height} = picture;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const columns = new Set();
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] < 90) columns.add((i / 4) % width);
    return {size: [width, height], columns: columns.size / width};
}"""


async def test_a_picture_is_of_one_page(desk: Tab, tmp_path: Path) -> None:
    await desk.submit(write(tmp_path / "rest.json", 10))
    await desk.show("rest.json")
    name, png = await download(desk, "png")
    assert name == "rest.png"
    picture = await desk.run(INKED, base64.b64encode(png).decode())
    assert picture["size"] == [3368, 2381]
    # Lead II goes over the 250 mm of its ten seconds.
    assert picture["columns"] > 250 / 297
    await desk.submit(write(tmp_path / "long.json", 65))
    await desk.show("long.json")
    await desk.page.get_by_role("button", name="Download …").click()
    dialog = desk.page.get_by_role("dialog", name="Download")
    await dialog.get_by_label("As", exact=True).select_option("png")
    await expect(dialog.get_by_role("alert")).to_contain_text("A picture is of one page")
    await expect(dialog.get_by_role("button", name="Download")).to_be_disabled()
    results = await Axe().run(desk.page)
    assert results.violations_count == 0, results.generate_report()


MISSING = {"date": "2024-03-01T10:30:05", "sampling_rate": 250.0}
LEADS: list[dict[str, Any]] = [
    {"name": "I", "adc_gain": 200.5, "signal": [5, -3, 0, 0, 7, 32767], "missing": [[2, 2]]},
    {"name": 'a "quoted", lead', "signal": [1, 2, 3]},
]


async def test_a_table_is_the_one_that_the_command_writes(desk: Tab, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(orjson.dumps({**MISSING, "leads": LEADS}))
    await desk.submit(path)
    await desk.show("x.json")
    name, table = await download(desk, "csv")
    assert name == "x.csv"
    expected = io.StringIO()
    write_exported(expected, read(path))
    assert table.decode() == expected.getvalue()


@pytest.mark.parametrize(
    ("highest", "code"), [(32767, "16"), (-32768, "32"), pytest.param(2**31 - 1, "32", marks=pytest.mark.slow)]
)
async def test_a_record_is_read_again_as_it_was_submitted(desk: Tab, tmp_path: Path, highest: int, code: str) -> None:
    path = tmp_path / "night 1.json"
    leads = [{**LEADS[0], "signal": [5, -3, 0, 0, 7, highest]}, {"name": "V1", "signal": [1, 2, 3, 4, 5, 6]}]
    path.write_bytes(orjson.dumps({**MISSING, "leads": leads}))
    await desk.submit(path)
    await desk.show("night 1.json")
    name, archive = await download(desk, "wfdb")
    assert name == "night 1.zip"
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        files.extractall(tmp_path / "record")
    header = tmp_path / "record" / "night_1.hea"
    assert f"night_1.dat {code} 200.5(0)/mV" in header.read_text()
    expected, found = read(path), read(header)
    assert (found.date, found.sampling_rate) == (expected.date, expected.sampling_rate)
    for lead, again in zip(expected.leads, found.leads, strict=True):
        assert (again.name, again.adc_gain, again.missing) == (lead.name, lead.adc_gain, lead.missing)
        assert again.signal.tolist() == lead.signal.tolist()


async def test_samples_that_a_file_cannot_hold_are_refused_with_what_to_do(desk: Tab, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(orjson.dumps({"sampling_rate": 500, "leads": [{"name": "I", "signal": [2**62 + 1, 0]}]}))
    await desk.submit(path)
    await desk.show("x.json")
    for kind, problem in (("csv", "use ecg show --csv"), ("wfdb", "use ecg show --csv")):
        await desk.page.get_by_role("button", name="Download …").click()
        dialog = desk.page.get_by_role("dialog", name="Download")
        await dialog.get_by_label("As", exact=True).select_option(kind)
        await dialog.get_by_role("button", name="Download").click()
        await expect(dialog.get_by_role("alert")).to_contain_text(problem)
        await dialog.get_by_role("button", name="Close").click()
