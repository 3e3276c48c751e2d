"""A frozen process does nothing after the call has returned."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.freezing import freeze

_COUNTS = """
import threading, time
for _ in range(4):
    threading.Thread(target=lambda: [time.sleep(0.0001) for _ in iter(int, 1)], daemon=True).start()
print(flush=True)
time.sleep(600)
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _COUNTS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_all_threads_stand_still_when_the_call_returns(busy: subprocess.Popen[bytes]) -> None:
    tasks = Path(f"/proc/{busy.pid}/task")
    if not tasks.is_dir():
        pytest.skip("there is no /proc here")
    for _ in range(50):
        freeze(busy.pid)
        states = [(task / "status").read_text().partition("State:\t")[2][0] for task in tasks.iterdir()]
        assert states == ["T"] * 5
        busy.send_signal(signal.SIGCONT)


def test_a_process_that_has_ended_is_no_error(busy: subprocess.Popen[bytes]) -> None:
    busy.kill()
    freeze(busy.pid)
