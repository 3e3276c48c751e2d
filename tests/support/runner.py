"""The runner of the local stack, and its processes."""

import contextlib
import subprocess
from pathlib import Path

from tests.support.conditions import DEADLINE, eventually
from tests.support.process import Process


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def command_of(pid: int) -> str:
    """Return the command of a process, or nothing if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


async def ready(runner: Process) -> str:
    """Start the runner, wait for its guide, and return the guide."""
    runner.start()

    async def probe() -> str | None:
        assert runner.running.poll() is None, runner.tail()
        text = runner.log.read_text()
        return text if "Ctrl-C stops everything" in text else None

    return await eventually(probe, interval=0.1, what="the runner ready")


async def exited(runner: Process, within: float = DEADLINE) -> int:
    async def probe() -> int | None:
        return runner.running.poll()

    return await eventually(probe, within, what="the end of the runner")


async def said(runner: Process, text: str) -> bool | None:
    return text in runner.log.read_text() or None


async def all_gone(pids: list[int]) -> None:
    async def probe() -> bool | None:
        return None if any(map(alive, pids)) else True

    await eventually(probe, what=f"the end of {pids}")
