"""A tab with the page: a user's actions, and the errors in the browser."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Locator, Page

# Chromium reports every refused request, which is not an error: tests of refusals check what the page shows.
_REFUSAL = re.compile(r"Failed to load resource: the server responded with a status of (?:4\d\d|503)")

# Reads files as the page does, and returns what it would send, or the error, of each recording among them.
READ = """async ({files, csv}) => {
    const {group, read} = await import("/page/recordings/files.js");
    const {encode, idempotencyKey} = await import("/page/submission.js");
    const {pack} = await import("/page/packed.js");
    const file = ({name, content}) => new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name);
    const results = [];
    for (const chosen of await group(files.map(file))) {
        try {
            const recording = await read(chosen, csv);
            const body = encode(recording);
            results.push({
                name: chosen.name,
                body: new TextDecoder().decode(body),
                packed: btoa(Array.from(pack(recording), byte => String.fromCharCode(byte)).join("")),
                key: await idempotencyKey(chosen.name, body),
                notes: recording.notes,
                missing: recording.leads.map(lead => lead.missing),
            });
        } catch (error) {
            results.push({name: chosen.name, error: error.message, kind: error.constructor.name});
        }
    }
    return results;
}"""

# Widths and colour schemes. Two pairs cover every value, because a fault depends on the width or on the scheme.
APPEARANCES = [
    (390, "light"),
    (1440, "dark"),
    pytest.param(390, "dark", marks=pytest.mark.slow),
    pytest.param(1440, "light", marks=pytest.mark.slow),
]


@dataclass
class Tab:
    """A tab with the page, its requests and console messages, and the errors in it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)
        # Violations of the Content-Security-Policy are reported here too.
        if message.type in ("error", "warning") and not _REFUSAL.match(message.text):
            self.problems.append(f"{message.type}: {message.text}")

    async def open(self) -> None:
        await self.page.goto(self.url)
        await self.page.wait_for_selector("main:not([hidden])")

    async def sign_in(self, token: str) -> None:
        await self.open()
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("heading", name="Recordings").wait_for()

    async def submit(self, *files: Path) -> None:
        await self.page.set_input_files("#files", files)

    def upload(self, name: str) -> Locator:
        return self.page.locator("#uploads li").filter(has=self.page.get_by_text(name, exact=True))

    async def done(self, name: str) -> Locator:
        """Return the row of a submission once it is done."""
        row = self.upload(name)
        await row.and_(self.page.locator("[data-state=done]")).wait_for()
        return row

    async def show(self, name: str) -> None:
        """Open a submission of this tab, once it is done, and wait until it is drawn."""
        row = await self.done(name)
        await row.get_by_role("button").click()
        await self.page.locator("#viewer-title").get_by_text(name, exact=True).wait_for()
        await self.page.locator("#plot:not([hidden])").wait_for()

    async def drawn(self) -> dict[str, str]:
        """Return the canvas's data attributes, which describe the drawing, after the next frame."""
        script = """canvas => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
            done({...canvas.dataset}))))"""
        return dict(await self.page.locator("#canvas").evaluate(script))

    async def run(self, script: str, argument: Any = None) -> Any:
        """Run a script in the page, and return its result."""
        return await self.page.evaluate(script, argument)
