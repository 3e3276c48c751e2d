"""The CPU time and the memory of processes while a task runs."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import cpu_seconds, resident_bytes
from shared.settings import MIB


@dataclass(frozen=True)
class Reading:
    """The CPU seconds that processes have used by a time (of `time.monotonic`), and their memory in MiB, by name."""

    time: float
    cpu: Mapping[str, float]
    memory: Mapping[str, float]


async def watch(task: asyncio.Task[Any], pids: Mapping[str, int], interval: float) -> list[Reading]:
    """Read processes every `interval` seconds until a task is done, or one of them has ended."""
    readings = []
    while not task.done():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
            memory = {name: resident_bytes(pid) / MIB for name, pid in pids.items()}
            readings.append(Reading(time.monotonic(), cpu, memory))
        await asyncio.wait([task], timeout=interval)
    return readings


def core_share(readings: Sequence[Reading], process: str, begin: float, end: float) -> float:
    """Return the CPU seconds that a process used in a second, by the readings from `begin` to `end`.

    Raises:
        ValueError: if there are not two of them.
    """
    within = [reading for reading in readings if begin <= reading.time <= end]
    if len(within) < 2:  # noqa: PLR2004 - both ends
        raise ValueError(f"{len(within)} readings")
    first, last = within[0], within[-1]
    return (last.cpu[process] - first.cpu[process]) / (last.time - first.time)
