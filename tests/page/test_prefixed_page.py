"""The page and the documentation behind a reverse proxy that serves them under a path."""

from pathlib import Path

import orjson
from playwright.async_api import BrowserContext, expect

from tests.page.conftest import new_tab
from tests.support.pipeline import NewPipeline


async def test_the_page_and_the_documentation_work_under_a_prefix(
    context: BrowserContext, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    pipeline = new_pipeline(ECG_HTTP_PATH_PREFIX="/cardio")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("prefixed")
    recording = tmp_path / "rest.json"
    recording.write_bytes(orjson.dumps({"sampling_rate": 500, "leads": [{"name": "I", "signal": [1, -1] * 500}]}))
    # Without a slash at the end, from where relative links would lead out of the prefix. The tab fails the test on a
    # request to another path.
    async with new_tab(context, f"{pipeline.gateways[0].url}/cardio") as tab:
        await tab.sign_in(token)
        await tab.submit(recording)
        await tab.show("rest.json")
        await tab.page.goto(f"{tab.url}/docs")
        call = tab.page.locator("#submit_ecg")
        await expect(call.locator("pre").first).to_contain_text(f'curl -X POST "{tab.url}/ecgs"')
        await expect(call).to_contain_text("Token: x-user-token: $TOKEN or authorization: Bearer $TOKEN")
