"""Processes that tests start end with the tests, in whatever way these end."""

import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.conditions import DEADLINE, eventually
from tests.support.process import Process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")

MARK = "ECG_TEST_ENDLESS"
BROKERS = {"embedded": ["memory://tansu/"], "kafka": ["kafka.Kafka"]}


def marked(mark: str) -> dict[int, str]:
    """Return the commands of all processes with the mark in their environment, by process id."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (directory / "environ").read_bytes().split(b"\0"):
                found[int(directory.name)] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # the process has ended, or belongs to another user
            continue
    return found


class Session:
    """A session of pytest in a process of its own, with one test, which starts a pipeline and waits."""

    def __init__(self, directory: Path, broker: str) -> None:
        self.file = directory / uuid.uuid4().hex
        self.programs = ["ingest_api", "stream_agents", *BROKERS.get(broker, [])]
        argv = [sys.executable, "-m", "pytest", "-n", "1", "--broker", broker, "tests/local/endless.py"]
        self.main = Process("pytest", argv, {MARK: str(self.file)}, directory / "pytest.log")

    async def begin(self) -> int:
        """Start the session, wait until its pipeline is ready, and return the id of the process that runs the test."""
        self.main.start()
        tester = await eventually(self._tester, 2 * DEADLINE, what="the pipeline of the other session")
        running = " ".join(self.commands.values())
        assert all(program in running for program in self.programs), running
        assert tester != self.main.running.pid
        return tester

    @property
    def commands(self) -> dict[int, str]:
        return marked(str(self.file))

    async def _tester(self) -> int | None:
        assert self.main.running.poll() is None, self.main.tail()
        return int(self.file.read_text()) if self.file.exists() else None

    async def ended(self) -> bool | None:
        return not self.commands or None


@pytest.fixture
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path, request.config.getoption("--broker"))
    yield session
    for pid in session.commands:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if session.main.popen:
        session.main.running.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_nothing_outlives_a_session(session: Session, number: signal.Signals) -> None:
    await session.begin()
    session.main.signal(number)
    await eventually(session.ended, what="the end of every process")


@pytest.mark.slow
async def test_nothing_outlives_a_worker_of_xdist(session: Session) -> None:
    os.kill(await session.begin(), signal.SIGKILL)
    await eventually(session.ended, what="the end of every process")


def test_an_interrupt_ends_a_child_even_if_the_tests_ignore_interrupts(tmp_path: Path) -> None:
    process = Process("sleep", ["sleep", "600"], {}, tmp_path / "log")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        process.signal(signal.SIGINT)
        assert process.running.wait(DEADLINE) == -signal.SIGINT
    finally:
        process.kill()
