"""A browser for the page's tests, and tabs that fail the test on any error in the browser."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.page.tab import Tab
from tests.support.pipeline import Pipeline
from tests.support.tools import missing


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium; without it the tests are skipped, except in CI, where they fail.

    Its headless shell takes half of the CPU, because it draws no windows.
    """
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        missing("there is no chromium")
    async with async_playwright() as playwright:
        # Chromium's sandbox needs rights that containers lack, and is not needed: only our own page is opened.
        args = ["--no-sandbox", "--host-resolver-rules=MAP far-away.test 127.0.0.1"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=args)
        yield browser
        await browser.close()


@asynccontextmanager
async def new_context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(30_000)
    try:
        yield context
    finally:
        await context.close()


@asynccontextmanager
async def new_tab(context: BrowserContext, url: str) -> AsyncIterator[Tab]:
    tab = Tab(await context.new_page(), url)
    tab.watch()
    yield tab
    assert tab.problems == []
    assert all(url.startswith((tab.url, "blob:", "data:")) for url in tab.requests)


@pytest_asyncio.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    async with new_context(browser) as context:
        yield context


@pytest_asyncio.fixture
async def tab(context: BrowserContext, pipeline: Pipeline) -> AsyncIterator[Tab]:
    async with new_tab(context, pipeline.gateways[0].url) as tab:
        yield tab


@pytest_asyncio.fixture(scope="module")
async def modules(browser: Browser, pipeline: Pipeline) -> AsyncIterator[Tab]:
    """An open page for all tests of a file that only call the page's modules."""
    async with new_context(browser) as context, new_tab(context, pipeline.gateways[0].url) as tab:
        await tab.open()
        yield tab
