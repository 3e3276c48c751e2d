"""What a process takes of the machine's memory."""

import re
from pathlib import Path

from tests.harness import Process


def resident(process: Process) -> int:
    """Return the bytes of a process's memory that are in RAM now."""
    return _read(process, "VmRSS")


def peak(process: Process) -> int:
    """Return the most that it had since it began, or since `reset_peak`."""
    return _read(process, "VmHWM")


def reset_peak(process: Process) -> None:
    """Begin anew to look for the most."""
    Path(f"/proc/{process.running.pid}/clear_refs").write_text("5")


def _read(process: Process, name: str) -> int:
    status = Path(f"/proc/{process.running.pid}/status").read_text()
    found = re.search(rf"^{name}:\s+([0-9]+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) * 1024
