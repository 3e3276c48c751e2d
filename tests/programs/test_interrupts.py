"""Ctrl-C ends the command with one line and exit code 130, at any moment."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.support.canned_gateway import CannedGateway, canned_gateway
from tests.support.conditions import DEADLINE, eventually
from tests.support.lifetime import as_a_child
from tests.support.paths import ROOT

# As the installed command does.
ECG = [sys.executable, "-c", "import sys; from ecg_client.__main__ import main; sys.exit(main())"]


@pytest.fixture
def gateway() -> Iterator[CannedGateway]:
    with canned_gateway() as served:
        yield served


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder whose modules are imported before all others."""
    (tmp_path / "modules").mkdir()
    return tmp_path / "modules"


class Running:
    """A command that a test interrupts."""

    def __init__(self, gateway: CannedGateway, modules: Path, arguments: tuple[str | Path, ...], stdin: int) -> None:
        env = {**os.environ, "ECG_URL": gateway.url, "ECG_TOKEN": "token", "ECG_ADMIN_TOKEN": "admin"}
        env["PYTHONPATH"] = os.pathsep.join((str(modules), str(ROOT)))
        self._said = modules.parent / "stderr"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*ECG, *map(str, arguments)],
                env=env,
                cwd=modules.parent,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                preexec_fn=as_a_child(),  # noqa: PLW1509 - it takes no lock
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def send(self, data: bytes) -> None:
        """Write to the command's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data.decode())
        self._process.stdin.flush()

    async def interrupt_first(self, said: str) -> None:
        """Interrupt the command, and wait until it says something."""
        self._process.send_signal(signal.SIGINT)
        await eventually(lambda: asyncio.sleep(0, said in self.said or None), what=said)

    async def interrupt(self) -> tuple[int, str, str]:
        """Interrupt the command, and return its exit code and its output."""
        self._process.send_signal(signal.SIGINT)
        out, _ = await asyncio.to_thread(self._process.communicate, timeout=DEADLINE)
        return self._process.returncode, out, self.said


@pytest.fixture
def run(gateway: CannedGateway, modules: Path) -> "Run":
    return Run(gateway, modules)


class Run:
    def __init__(self, gateway: CannedGateway, modules: Path) -> None:
        self._gateway, self._modules = gateway, modules

    def __call__(self, *arguments: str | Path, stdin: int = subprocess.DEVNULL) -> Running:
        return Running(self._gateway, self._modules, arguments, stdin)


def stops_at(module: Path, ready: Path, before: str = "") -> None:
    """Write a module that stops where it is imported, and creates a file there."""
    module.write_text(f"{before}import pathlib, time\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(600)\n")


async def there(path: Path) -> None:
    await eventually(lambda: asyncio.sleep(0, path.exists() or None), what=path.name)


async def test_while_it_imports(run: Run, modules: Path) -> None:
    stops_at(modules / "typer.py", modules / "ready")
    running = run("list")
    await there(modules / "ready")
    assert await running.interrupt() == (130, "", "ecg: interrupted\n")


async def test_while_it_ends(run: Run, modules: Path) -> None:
    leaving = f"pathlib.Path({str(modules / 'ready')!r}).touch(), time.sleep(600)"
    (modules / "sitecustomize.py").write_text(f"import atexit, pathlib, time\natexit.register(lambda: ({leaving}))\n")
    running = run("--version")
    await there(modules / "ready")
    code, out, said = await running.interrupt()
    assert (code, out[:4], said) == (130, "ecg ", "ecg: interrupted\n")


async def test_while_a_recording_is_read(run: Run, modules: Path, tmp_path: Path) -> None:
    stops_at(modules / "pydicom.py", modules / "ready")
    (tmp_path / "a.dcm").touch()
    running = run("submit", tmp_path / "a.dcm")
    await there(modules / "ready")
    said = "ecg: interrupted, 0 of 1 files stored; the same command resumes\n"
    assert await running.interrupt() == (130, "", said)


async def test_while_it_waits_in_an_outage(run: Run, gateway: CannedGateway) -> None:
    gateway.answer("GET /ecgs", 503, {"detail": "Kafka does not answer"})
    running = run("list", "--retry-for", "600")
    await eventually(lambda: asyncio.sleep(0, "waiting" in running.said or None), what="the outage's line")
    told = "ecg: Kafka does not answer; waiting for up to 600 s\n"
    assert await running.interrupt() == (130, "", f"{told}ecg: interrupted\n")


async def test_while_it_waits_for_an_answer(run: Run, gateway: CannedGateway) -> None:
    gateway.answer("GET /ecgs/ecg-1", 0)
    running = run("show", "ecg-1")
    await eventually(lambda: asyncio.sleep(0, bool(gateway.requests) or None), what="the request")
    assert await running.interrupt() == (130, "", "ecg: interrupted\n")


async def test_while_it_asks(run: Run, gateway: CannedGateway) -> None:
    ours, theirs = pty.openpty()
    try:
        running = run("users", "rm", "st-marys", stdin=theirs)
        await eventually(lambda: asyncio.sleep(0, "[y/N]" in running.said or None), what="the question")
        code, _, said = await running.interrupt()
    finally:
        os.close(ours)
        os.close(theirs)
    assert (code, said.endswith("[y/N] ecg: interrupted\n"), gateway.requests) == (130, True, [])


async def test_an_interrupted_batch_counts_what_was_stored(run: Run, gateway: CannedGateway, tmp_path: Path) -> None:
    gateway.answer("POST /ecgs", 201, {"id": "ecg-1"})
    gateway.answer("POST /ecgs/batch", 0)
    gateway.answer("GET /ecgs/ecg-1/insights", 202, {"detail": "Insights are still being processed"})
    files = [tmp_path / f"{number}.json" for number in range(5)]
    for number, file in enumerate(files):
        file.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": [number]}]}))
    running = run("submit", "--wait", "--json", "--concurrency", "3", *files)
    calls = {"POST /ecgs", "POST /ecgs/batch", "GET /ecgs/ecg-1/insights"}
    await eventually(
        lambda: asyncio.sleep(0, calls <= set(gateway.requests) or None),
        what="the requests",
    )
    code, out, said = await running.interrupt()
    assert code == 130
    assert said == "ecg: interrupted, 1 of 5 files stored, and 2 more may be; the same command resumes\n"
    lines = [orjson.loads(line) for line in out.splitlines()]
    assert sorted((line.get("id"), line["error"]) for line in lines if "id" in line) == [
        ("ecg-1", "is stored; interrupted before its insights came")
    ]
    assert [line["error"] for line in lines if "id" not in line] == [
        "interrupted while it was sent: it may be stored"
    ] * 2


async def test_a_second_ctrl_c_gives_up_a_stream_that_is_ending(run: Run, gateway: CannedGateway) -> None:
    gateway.answer("POST /recordings", 201, {"id": "rec-1"})
    gateway.answer("POST /recordings/rec-1/chunks", 201, {})
    gateway.answer("POST /recordings/rec-1/chunks", 0)
    running = run("stream", "--leads", "I", "--rate", "1", stdin=subprocess.PIPE)
    chunks = "POST /recordings/rec-1/chunks"
    running.send(b"1\n")
    await eventually(lambda: asyncio.sleep(0, chunks in gateway.requests or None), what="the first chunk")
    running.send(b"-1\n")
    await eventually(lambda: asyncio.sleep(0, gateway.requests.count(chunks) > 1 or None), what="the second chunk")
    ending = "ecg: ending the recording, once all that has come is sent; Ctrl-C again gives up\n"
    await running.interrupt_first(ending)
    stored = "the first 1 samples of recording rec-1 are stored, later ones may not be, and it has not ended"
    assert await running.interrupt() == (130, "rec-1\n", f"{ending}ecg: interrupted, {stored}\n")
    assert "POST /recordings/rec-1/end" not in gateway.requests


async def test_a_stream_that_cannot_begin_is_interrupted_at_once(run: Run, gateway: CannedGateway) -> None:
    gateway.answer("POST /recordings", 503, {"detail": "Kafka does not answer"})
    running = run("stream", "--leads", "I", "--rate", "1", stdin=subprocess.PIPE)
    running.send(b"1\n")
    await eventually(lambda: asyncio.sleep(0, "waiting" in running.said or None), what="the outage's line")
    told = "ecg: Kafka does not answer; waiting for up to 3600 s\n"
    assert await running.interrupt() == (130, "", f"{told}ecg: interrupted\n")


async def test_an_interrupted_large_file_says_how_much_is_stored(
    run: Run, gateway: CannedGateway, tmp_path: Path
) -> None:
    gateway.answer("POST /recordings", 201, {"id": "rec-1"})
    gateway.answer("GET /recordings/rec-1/insights", 202, {"detail": "still"})
    gateway.answer("POST /recordings/rec-1/chunks", 201, {})
    gateway.answer("POST /recordings/rec-1/chunks", 0)
    file = tmp_path / "night.json"
    file.write_bytes(orjson.dumps({"sampling_rate": 1, "leads": [{"name": "I", "signal": [1] * 150}]}))
    running = run("submit", "--json", "--as-recording", file)
    chunks = "POST /recordings/rec-1/chunks"
    await eventually(lambda: asyncio.sleep(0, gateway.requests.count(chunks) > 1 or None), what="the second chunk")
    code, out, said = await running.interrupt()
    assert (code, said) == (130, "ecg: interrupted, 0 of 1 files stored, and 1 in part; the same command resumes\n")
    line = orjson.loads(out)
    assert (line["id"], line["recording"], line["error"]) == (
        *("rec-1", True, "interrupted; 60 of its 150 samples are stored"),
    )
