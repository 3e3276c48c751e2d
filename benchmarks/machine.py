"""The machine: pinning processes to cores, and measuring the CPU time and the memory that they use."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cores() -> tuple[int, int]:
    """Return the core for the measured process and the core for the broker, which are the same if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Pin the processes that the block starts to one core, or to none if it is None."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    # A child process inherits the affinity of the thread that starts it, with all its threads.
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def busy(seconds: float = 1.0) -> float:
    """Return the share of the machine's CPU time, from 0 to 1, that other processes use while this one sleeps."""
    before = _cpu_times()
    time.sleep(seconds)
    used = [after - earlier for earlier, after in zip(before, _cpu_times(), strict=True)]
    idle = used[3] + used[4]
    return 1 - idle / sum(used)


def _cpu_times() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def describe() -> str:
    """Return a description of the cores, the memory and the Python version."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "CPU")
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}"
