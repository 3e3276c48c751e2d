"""A process that is forked for a test behaves as one that is started with `python`."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.conditions import DEADLINE
from tests.support.fork_server import server
from tests.support.lifetime import as_a_child
from tests.support.runner import all_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is forked")

Start = Callable[[list[str], dict[str, str], Path, Any], Any]

REPORT = """
import json, os, signal, sys
report = {
    "arguments": sys.argv[1:],
    "variables": {name: os.environ.get(name) for name in ("GIVEN", "HOME")},
    "directory": os.getcwd(),
    "name": __name__,
    "leader": os.getsid(0) == os.getpid(),
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "input": sys.stdin.read(),
    "open": sorted(os.listdir("/proc/self/fd"))[:4],
}
print(json.dumps(report, sort_keys=True))
print("complaint", file=sys.stderr)
"""


def start(argv: list[str], env: dict[str, str], cwd: Path, out: Any) -> Any:
    return subprocess.Popen(
        [sys.executable, *argv],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        start_new_session=True,
        preexec_fn=as_a_child(),  # noqa: PLW1509 - it takes no lock
    )


def fork(argv: list[str], env: dict[str, str], cwd: Path, out: Any) -> Any:
    return server("json").start(argv, env, cwd, out, out)


def outcome(way: Start, argv: list[str], directory: Path, **env: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the output of a process, sorted: Python may buffer its standard output."""
    with (directory / "out").open("w+") as out:
        code = way(argv, env, directory, out).wait(DEADLINE)
        out.seek(0)
        return code, sorted(out.read().splitlines())


@pytest.mark.parametrize("kind", ["-c", "-m"])
def test_it_has_what_it_was_given_and_nothing_of_its_server(tmp_path: Path, kind: str) -> None:
    (tmp_path / "reporting.py").write_text(REPORT)
    argv = [kind, REPORT if kind == "-c" else "reporting", "a", "b c"]
    started = outcome(start, argv, tmp_path, GIVEN="é")
    assert outcome(fork, argv, tmp_path, GIVEN="é") == started
    assert '"GIVEN": "\\u00e9", "HOME": null' in started[1][1]


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("0", 0),
        ("import sys; sys.exit(7)", 7),
        ("import sys; sys.exit('a reason')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(9)", 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("import atexit; atexit.register(print, 'at the end')", 0),
    ],
)
def test_its_exit_code_and_last_words_are_those_of_a_started_one(tmp_path: Path, program: str, code: int) -> None:
    started, forked = (outcome(way, ["-c", program], tmp_path) for way in (start, fork))
    assert (started[0], forked[0]) == (code, code)
    # A traceback begins with the server's own calls.
    assert set(started[1]) <= set(forked[1])


async def test_it_gets_signals_and_dies_with_its_server(tmp_path: Path) -> None:
    sleep = ["-c", "import time; time.sleep(600)"]
    with (tmp_path / "out").open("w") as out:
        first, second, third = (fork(sleep, {}, tmp_path, out) for _ in range(3))
        assert [process.poll() for process in (first, second, third)] == [None] * 3
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.01)
        first.terminate()
        assert (first.wait(DEADLINE), first.poll(), first.returncode) == (-signal.SIGTERM,) * 3
        first.kill()
        second.kill()
        assert second.wait(DEADLINE) == -signal.SIGKILL
        server("json").process.kill()
        server.cache_clear()
        assert third.wait(DEADLINE) == -signal.SIGKILL
        await all_gone([third.pid])
