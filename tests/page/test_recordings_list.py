"""The list of recordings: what a row says, search and sort, uploads that lead to their rows, and erasing."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, expect

from tests.page.tab import APPEARANCES, Tab
from tests.support.ecgs import insights
from tests.support.heartbeats import NAMES, digitised, regular, signals
from tests.support.pipeline import Pipeline

_users = itertools.count()


@pytest_asyncio.fixture
async def user(pipeline: Pipeline) -> tuple[str, str]:
    """A new user's name and token."""
    name = f"list-{next(_users)}"
    return name, await pipeline.register(name)


def ecg(bpm: float, seconds: float = 10, names: Sequence[str] = NAMES, flat: int = 0, **fields: Any) -> dict[str, Any]:
    """An ECG with a steady rhythm; the last `flat` of its leads are flat."""
    values = signals(regular(60 / bpm, seconds), 500, seconds)[: len(names)]
    values[len(names) - flat :] = 0
    leads = [
        {"name": name, "adc_gain": 1000, "signal": row.tolist()}
        for name, row in zip(names, digitised(values), strict=True)
    ]
    return {"sampling_rate": 500, "leads": leads, **fields}


async def post(pipeline: Pipeline, token: str, *documents: dict[str, Any]) -> list[str]:
    """Submit ECGs, and return their ids once all are processed."""
    ids = []
    async with pipeline.client(token=token) as client:
        for document in documents:
            ids.append((await client.post("/ecgs", json=document)).json()["id"])
            await insights(client, ids[-1])
    return ids


def rows(tab: Tab) -> Locator:
    return tab.page.locator("#earlier li")


def row(tab: Tab, text: str) -> Locator:
    return rows(tab).filter(has_text=text)


async def labels(tab: Tab) -> list[str]:
    return await tab.page.locator("#earlier .when").all_inner_texts()


def small(path: Path) -> Path:
    path.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": [1, -1] * (1 + len(path.stem))}]}))
    return path


async def test_the_page_says_who_is_signed_in_and_begins_in_the_token_field(tab: Tab, user: tuple[str, str]) -> None:
    name, token = user
    await tab.open()
    await expect(tab.page.get_by_label("Token")).to_be_focused()
    await tab.page.keyboard.type(token)
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#account")).to_contain_text(f"Signed in as {name}")


async def test_a_row_tells_label_date_of_recording_leads_duration_and_measurements(
    tab: Tab, pipeline: Pipeline, user: tuple[str, str]
) -> None:
    await post(
        pipeline,
        user[1],
        ecg(75, label="rest.edf", date="2024-03-01T10:30:00Z", flat=2),
        ecg(60, names=["AVR", "Lead V1"], date="2024-07-01"),
        {"leads": [{"name": "I", "signal": [1, -1] * 50}], "label": "plain"},
    )
    await tab.sign_in(user[1])
    rest = row(tab, "rest.edf")
    await expect(rest).to_contain_text("Recorded 1 Mar 2024, 10:30")
    await expect(rest).to_contain_text("12 leads · 10 s")
    await expect(rest).to_contain_text("75 /min · QRS ")
    await expect(rest).to_contain_text("10 of 12 leads usable")
    # A day without a time of the day has none in the list either.
    day = row(tab, "Recorded 1 Jul 2024")
    await expect(day.locator(".what").first).to_have_text("Recorded 1 Jul 2024")
    await expect(day).to_contain_text("Without a label")
    await expect(day).to_contain_text("aVR, V1 · 10 s")
    plain = row(tab, "plain")
    await expect(plain).to_contain_text("Submitted ")
    await expect(plain).to_contain_text("100 samples, rate unknown")
    await day.click()
    await expect(tab.page.locator("#leads th")).to_have_text(["aVR", "V1"])


async def test_the_list_is_searched_and_sorted(tab: Tab, pipeline: Pipeline, user: tuple[str, str]) -> None:
    await post(
        pipeline,
        user[1],
        ecg(60, label="night 2", date="2024-03-01T10:30:00Z", names=["I", "II"]),
        ecg(150, label="stress", date="2025-01-01T10:30:00Z", names=["V5", "MLII"]),
        ecg(90, label="night 10", date="2023-01-01T10:30:00Z", names=["I", "II"], flat=1),
    )
    await tab.sign_in(user[1])
    await expect(rows(tab)).to_have_count(3)
    assert await labels(tab) == ["night 10", "stress", "night 2"]
    order = tab.page.get_by_label("Sort")
    for chosen, expected in (
        ("recorded", ["stress", "night 2", "night 10"]),
        ("name", ["night 2", "night 10", "stress"]),
        ("rate", ["stress", "night 10", "night 2"]),
        ("quality", ["night 10", "stress", "night 2"]),
        ("submitted", ["night 10", "stress", "night 2"]),
    ):
        await order.select_option(chosen)
        assert await labels(tab) == expected, chosen
    search = tab.page.get_by_label("Search")
    for words, expected in (("NIGHT", ["night 10", "night 2"]), ("mlii 150", ["stress"]), ("Mar 2024", ["night 2"])):
        await search.fill(words)
        await expect(rows(tab)).to_have_count(len(expected))
        assert await labels(tab) == expected
    await search.fill("nobody")
    await expect(rows(tab)).to_have_count(0)
    await expect(tab.page.locator("#earlier-note")).to_have_text("None of 3 matches.")


async def test_older_recordings_are_loaded_on_scrolling_found_and_sorted(
    tab: Tab, pipeline: Pipeline, user: tuple[str, str]
) -> None:
    async with pipeline.client(token=user[1]) as client:

        async def submit(i: int) -> None:
            lead = {"name": f"lead {i}", "signal": [1, -1]}
            answer = await client.post("/ecgs", json={"label": f"label {i:03}" if i else "zebra", "leads": [lead]})
            await insights(client, answer.json()["id"])

        await submit(0)
        for group in (range(1, 35), range(35, 70)):
            await asyncio.gather(*(submit(i) for i in group))
    await tab.sign_in(user[1])
    await expect(rows(tab)).to_have_count(50)
    await tab.page.locator("#older").evaluate("button => button.scrollIntoView()")
    await expect(rows(tab)).to_have_count(70)
    assert len(set(await labels(tab))) == 70
    await expect(tab.page.locator("#older")).to_be_hidden()
    # After a reload, what is not loaded yet is found too, and sorting has all of it.
    await tab.page.reload()
    await expect(rows(tab)).to_have_count(50)
    await tab.page.get_by_label("Search").fill("zebra")
    await expect(rows(tab)).to_have_count(1)
    await expect(tab.page.locator("#earlier-note")).to_have_text("1 of 70 match.")
    await tab.page.get_by_label("Search").fill("")
    await tab.page.get_by_label("Sort").select_option("name")
    await expect(rows(tab).first).to_contain_text("label 001")


async def test_the_only_upload_opens_itself(tab: Tab, user: tuple[str, str], tmp_path: Path) -> None:
    await tab.sign_in(user[1])
    await tab.submit(small(tmp_path / "one.json"))
    await expect(tab.page.locator("#viewer-title")).to_have_text("one.json")
    await expect(tab.page.locator("#earlier [aria-current=true]")).to_contain_text("one.json")
    await tab.submit(small(tmp_path / "second.json"), small(tmp_path / "the third.json"))
    await tab.done("second.json")
    await tab.done("the third.json")
    await expect(tab.page.locator("#viewer-title")).to_have_text("one.json")


async def test_a_failed_upload_can_be_dismissed(tab: Tab, user: tuple[str, str], tmp_path: Path) -> None:
    await tab.sign_in(user[1])
    bad = tmp_path / "bad.csv"
    bad.write_text("I\nx\n")
    await tab.submit(bad)
    await expect(tab.upload("bad.csv")).to_have_attribute("data-state", "failed")
    await tab.page.get_by_role("button", name="Dismiss bad.csv").click()
    await expect(tab.page.locator("#uploads li")).to_have_count(0)


async def test_a_file_that_was_there_before_leads_to_its_row(
    tab: Tab, pipeline: Pipeline, user: tuple[str, str], tmp_path: Path
) -> None:
    await tab.sign_in(user[1])
    path = small(tmp_path / "old.json")
    await tab.submit(path)
    await tab.done("old.json")
    async with pipeline.client(token=user[1]) as client:
        await asyncio.gather(
            *(client.post("/ecgs", json={"leads": [{"name": f"{i}", "signal": [1]}]}) for i in range(30))
        )
    await expect(rows(tab)).to_have_count(31)
    await tab.page.reload()
    await expect(rows(tab)).to_have_count(31)
    await tab.submit(path)
    await expect(tab.upload("old.json")).to_contain_text("already submitted")
    current = tab.page.locator("#earlier [aria-current=true]")
    await expect(current).to_contain_text("old.json")
    # Its row is the last one, which was out of sight.
    assert await tab.page.locator("#scroller").evaluate("list => list.scrollTop") > 0
    shown = """row => row.getBoundingClientRect().bottom
        <= document.querySelector("#scroller").getBoundingClientRect().bottom + 1"""
    assert await current.evaluate(shown)
    await expect(rows(tab)).to_have_count(31)


async def test_an_ecg_is_erased_after_a_question(
    tab: Tab, pipeline: Pipeline, user: tuple[str, str], tmp_path: Path
) -> None:
    await tab.sign_in(user[1])
    await tab.submit(small(tmp_path / "wrong patient.json"))
    await expect(tab.page.locator("#viewer-title")).to_have_text("wrong patient.json")
    dialog = tab.page.get_by_role("dialog", name="Erase this recording?")
    await tab.page.get_by_role("button", name="Erase …").click()
    await expect(dialog).to_contain_text("wrong patient.json")
    results = await Axe().run(tab.page)
    assert results.violations_count == 0, results.generate_report()
    # The answer that erases nothing has the focus.
    await expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(rows(tab)).to_have_count(1)
    await tab.page.get_by_role("button", name="Erase …").click()
    await dialog.get_by_role("button", name="Erase for good").click()
    await expect(rows(tab)).to_have_count(0)
    await expect(tab.page.locator("#opened")).to_be_hidden()
    await expect(tab.page.locator("#uploads li")).to_have_count(0)
    async with pipeline.client(token=user[1]) as client:
        assert (await client.get("/ecgs")).json()["ecgs"] == []


@pytest.mark.parametrize(("width", "scheme"), APPEARANCES)
async def test_the_list_is_accessible(
    tab: Tab, pipeline: Pipeline, user: tuple[str, str], scheme: Any, width: int
) -> None:
    await post(pipeline, user[1], ecg(75, label="rest", flat=2), ecg(60, date="2024-07-01"))
    await tab.page.set_viewport_size({"width": width, "height": 844})
    await tab.page.emulate_media(color_scheme=scheme)
    await tab.sign_in(user[1])
    await expect(row(tab, "10 of 12")).to_be_visible()
    results = await Axe().run(tab.page)
    assert results.violations_count == 0, results.generate_report()
    overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.run(overflow) <= 0
