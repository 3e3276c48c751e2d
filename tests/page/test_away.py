"""The page while the server is away: it shows at once which calls wait, and repeats them by itself."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Locator, Route, expect

from tests.page.conftest import new_tab
from tests.page.tab import Tab
from tests.support.pipeline import NewPipeline, Pipeline

_FAILED_CONNECTION = re.compile(r"net::ERR_")
_users = itertools.count()


@pytest.fixture(scope="module")
def one(new_module_pipeline: NewPipeline) -> Pipeline:
    """A pipeline whose gateway a test may stop, and starts again."""
    pipeline = new_module_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    return pipeline


@pytest_asyncio.fixture
async def alone(context: BrowserContext, one: Pipeline) -> AsyncIterator[Tab]:
    """The page of the gateway that the test may stop, after signing in."""
    await one.ready()
    async with signed_in(context, one) as tab:
        yield tab


@pytest_asyncio.fixture
async def desk(context: BrowserContext, pipeline: Pipeline) -> AsyncIterator[Tab]:
    """The page of a gateway that goes on, after signing in."""
    async with signed_in(context, pipeline) as tab:
        yield tab


@asynccontextmanager
async def signed_in(context: BrowserContext, pipeline: Pipeline) -> AsyncIterator[Tab]:
    async with new_tab(context, pipeline.gateways[0].url) as tab:
        await tab.sign_in(await pipeline.register(f"away-{next(_users)}"))
        yield tab
        # Chromium reports every connection that fails.
        tab.problems = [problem for problem in tab.problems if not _FAILED_CONNECTION.search(problem)]


def banner(tab: Tab) -> Locator:
    return tab.page.get_by_role("region", name="Connection")


def recording(path: Path) -> Path:
    path.write_bytes(orjson.dumps({"sampling_rate": 500, "leads": [{"name": "I", "signal": [1, -1] * 500}]}))
    return path


async def test_a_stopped_server_is_told_at_once_and_what_waits_goes_on_when_it_is_back(
    alone: Tab, one: Pipeline, tmp_path: Path
) -> None:
    await expect(banner(alone)).to_be_hidden()
    one.gateways[0].kill()
    # Without any action of the user: the stream of events has ended.
    await expect(alone.page.get_by_role("alert").filter(has_text="The server cannot be reached")).to_be_visible()
    await expect(banner(alone)).to_contain_text("the news of results")
    await expect(banner(alone)).to_contain_text("Next try in")
    results = await Axe().run(alone.page)
    assert results.violations_count == 0, results.generate_report()
    await alone.submit(recording(tmp_path / "a.json"), recording(tmp_path / "b.json"))
    for name in ("a.json", "b.json"):
        await expect(alone.upload(name)).to_contain_text("waiting for the server")
    await expect(banner(alone)).to_contain_text("2 submissions")
    one.gateways[0].start()
    # Without any action of the user again: the page tries by itself.
    await one.alive()
    await alone.done("a.json")
    await alone.done("b.json")
    await expect(banner(alone)).to_be_hidden()


async def test_an_unavailable_answer_is_shown_with_its_reason_until_the_call_succeeds(
    desk: Tab, tmp_path: Path
) -> None:
    available = False

    async def refuse(route: Route) -> None:
        if available:
            await route.continue_()
        else:
            detail = {"detail": "The signals cannot be read now, try again"}
            await route.fulfill(status=503, headers={"retry-after": "60"}, json=detail)

    await desk.submit(recording(tmp_path / "a.json"))
    row = await desk.done("a.json")
    await desk.page.route(re.compile(r"/ecgs/[^/]+$"), refuse)
    await row.get_by_role("button", name="Open").click()
    await expect(banner(desk)).to_contain_text("The signals cannot be read now")
    await expect(banner(desk)).to_contain_text("Waiting: the opened recording")
    await expect(desk.page.locator("#facts")).to_have_text("Waiting for the server …")
    available = True
    await desk.page.get_by_role("button", name="Try now").click()
    await expect(desk.page.locator("#facts")).to_contain_text("500 Hz")
    await expect(banner(desk)).to_be_hidden()


@pytest.mark.slow
async def test_a_server_that_does_not_answer_is_told(alone: Tab, one: Pipeline, tmp_path: Path) -> None:
    await alone.submit(recording(tmp_path / "a.json"))
    row = await alone.done("a.json")
    one.gateways[0].pause()
    await row.get_by_role("button", name="Open").click()
    await expect(banner(alone)).to_contain_text("The server does not answer", timeout=30_000)
    await expect(alone.page.locator("#facts")).to_have_text("Waiting for the server …")
    one.gateways[0].resume()
    await expect(alone.page.locator("#facts")).to_contain_text("500 Hz")
    await expect(banner(alone)).to_be_hidden()


async def test_a_computer_without_a_network_is_told(desk: Tab) -> None:
    await desk.page.context.set_offline(True)
    await expect(banner(desk)).to_contain_text("This computer is offline")
    await desk.page.context.set_offline(False)
    await expect(banner(desk)).to_be_hidden()


async def test_an_answer_that_comes_after_the_network_was_lost_does_not_say_that_it_is_back(
    desk: Tab, tmp_path: Path
) -> None:
    asked, lost = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await lost.wait()
        await route.fulfill(response=answer)

    await desk.submit(recording(tmp_path / "a.json"))
    row = await desk.done("a.json")
    await desk.page.route(re.compile(r"/ecgs/[^/]+$"), late)
    await row.get_by_role("button", name="Open").click()
    await asked.wait()
    await desk.page.context.set_offline(True)
    await expect(banner(desk)).to_contain_text("This computer is offline")
    lost.set()
    await expect(desk.page.locator("#facts")).to_contain_text("500 Hz")
    assert "This computer is offline" in await banner(desk).inner_text()
    await desk.page.context.set_offline(False)
    await expect(banner(desk)).to_be_hidden()


async def test_the_sign_in_waits_for_the_server_and_says_so(tab: Tab, pipeline: Pipeline) -> None:
    token = await pipeline.register("away-signing-in")
    available = False

    async def refuse(route: Route) -> None:
        await (route.continue_() if available else route.abort())

    await tab.open()
    await tab.page.route("**/ecgs?*", refuse)
    await tab.page.get_by_label("Token").fill(token)
    await tab.page.keyboard.press("Enter")
    await expect(banner(tab)).to_contain_text("Waiting: the list")
    await expect(tab.page.locator("#token-note")).to_have_text("Signing in …")
    available = True
    await tab.page.get_by_role("heading", name="Recordings").wait_for()
    await expect(banner(tab)).to_be_hidden()
    tab.problems = [problem for problem in tab.problems if not _FAILED_CONNECTION.search(problem)]
