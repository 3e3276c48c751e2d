"""A process that a test starts, and that dies with it."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local_stack.freezing import freeze
from tests.support import fork_server
from tests.support.fork_server import Forked
from tests.support.lifetime import as_a_child
from tests.support.paths import ROOT


@dataclass
class Process:
    """A child process that writes its output to a file.

    With `imported`, a Python process is forked from one that has imported this module already.
    """

    name: str
    argv: list[str]
    env: dict[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | Forked | None = None
    imported: str = ""

    def start(self) -> None:
        env = {**os.environ, **self.env}
        with self.log.open("ab") as log:
            if self.imported:
                self.popen = fork_server.start(self.argv[1:], env, ROOT, log, log, self.imported)
                return
            self.popen = subprocess.Popen(
                self.argv,
                env=env,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=as_a_child(),  # noqa: PLW1509 - as in `dies_with_parent`, it takes no lock
            )

    @property
    def running(self) -> subprocess.Popen[bytes] | Forked:
        assert self.popen is not None, f"{self.name} was not started"
        return self.popen

    def signal(self, number: int) -> None:
        self.running.send_signal(number)

    def pause(self) -> None:
        if self.running.poll() is None:
            freeze(self.running.pid)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()

    def stop(self, timeout: float = 15.0) -> int:
        """Ask the process to stop, and return its exit code; after the timeout kill it, and fail."""
        with contextlib.suppress(ProcessLookupError):
            self.running.terminate()
        try:
            return self.running.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop; see {self.log}") from None

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
