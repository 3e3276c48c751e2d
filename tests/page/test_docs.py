"""The API's documentation in a browser: all of it comes from the gateway, under its content security policy."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.page.tab import APPEARANCES, Tab
from tests.support.documented import openapi


async def test_the_documentation_shows_every_call_and_every_answer(tab: Tab) -> None:
    """The tab fails the test on a request to another server, and on a violation of the policy."""
    await tab.page.goto(f"{tab.url}/docs")
    document = openapi()
    await expect(tab.page.locator("#title")).to_have_text(f"{document['info']['title']} {document['info']['version']}")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            call = tab.page.get_by_role("region", name=f"{method.upper()} {path} {operation['summary']}", exact=True)
            await expect(call.locator("li > p > strong")).to_have_text(sorted(operation["responses"]))
    fields = tab.page.get_by_role("region", name="Fields of the body of POST /ecgs", exact=True)
    await expect(fields.locator("th code")).to_have_text(["date", "label", "sampling_rate", "leads"])
    await fields.get_by_role("link", name="LeadIn").click()
    await expect(tab.page.locator("#LeadIn:target")).to_be_in_viewport()
    assert {url.removeprefix(tab.url) for url in tab.requests} == {
        "/docs",
        "/openapi.json",
        *(f"/page/{name}" for name in ("address.js", "docs.css", "docs.js", "dom.js", "icon.svg", "page.css")),
    }


@pytest.mark.parametrize(("width", "scheme"), APPEARANCES)
async def test_the_documentation_is_accessible(tab: Tab, scheme: Any, width: int) -> None:
    await tab.page.set_viewport_size({"width": width, "height": 844})
    await tab.page.emulate_media(color_scheme=scheme)
    await tab.page.goto(f"{tab.url}/docs#LeadIn")
    await expect(tab.page.locator("#LeadIn")).to_be_visible()
    results = await Axe().run(tab.page)
    assert results.violations_count == 0, results.generate_report()
    overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.run(overflow) <= 0


async def test_the_documentation_shows_commands_for_bodies_that_are_not_json(tab: Tab) -> None:
    await tab.page.goto(f"{tab.url}/docs")
    batch = tab.page.get_by_role("region", name="POST /ecgs/batch Submit several ECGs", exact=True)
    command = batch.locator("pre").first
    await expect(command).to_contain_text('-H "content-type: application/vnd.ecg.v1+msgpack" --data-binary @FILE')
    await expect(batch).to_contain_text("Body: array of BatchedEcgIn")
