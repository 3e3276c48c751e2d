"""Measurement of a process's resident memory."""

import re
from pathlib import Path

from shared.settings import MIB
from tests.support.process import Process


class Memory:
    """The resident memory of a process, compared with that at the time of construction."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before = _read(process, "VmRSS")
        Path(f"/proc/{process.running.pid}/clear_refs").write_text("5")

    def growth(self) -> int:
        """Return how many bytes the peak since construction was higher; print it too, which `pytest -s` shows."""
        most = _read(self._process, "VmHWM")
        print(f"{self._process.name}: {self._before / MIB:.0f} MiB, and {most / MIB:.0f} at most")
        return most - self._before

    def left(self) -> int:
        """Return how many bytes the memory is higher now."""
        return _read(self._process, "VmRSS") - self._before


def _read(process: Process, name: str) -> int:
    status = Path(f"/proc/{process.running.pid}/status").read_text()
    found = re.search(rf"^{name}:\s+([0-9]+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) * 1024
