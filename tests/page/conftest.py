"""A browser for the page, and tabs in which nothing may go wrong unnoticed."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.harness import Pipeline
from tests.page.tab import Tab


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium; a machine without it skips, CI fails."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI") == "true":
            raise FileNotFoundError("chromium")
        pytest.skip("there is no chromium")
    async with async_playwright() as playwright:
        # Its own sandbox needs rights that containers do not have; it opens nothing but the page.
        args = ["--no-sandbox", "--host-resolver-rules=MAP far-away.test 127.0.0.1"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=args)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(30_000)
    yield context
    await context.close()


@pytest_asyncio.fixture
async def tab(context: BrowserContext, pipeline: Pipeline) -> AsyncIterator[Tab]:
    tab = Tab(await context.new_page(), pipeline.gateways[0].url)
    tab.watch()
    yield tab
    assert tab.problems == []
    assert all(url.startswith((tab.url, "blob:", "data:")) for url in tab.requests)
