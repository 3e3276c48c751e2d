"""A supervised child process."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping

from local_stack.lifetime import dies_with_parent

_KEPT_LINES = 20
_LINE_LIMIT = 1 << 20


class Child:
    """A process in a session of its own; each line of its output is printed with the process's name in front."""

    def __init__(self, name: str, argv: list[str], env: Mapping[str, str], colour: int) -> None:
        self._name = name
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._argv = argv
        self._env = env
        self._prefix = _prefix(name, colour)
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            env={**os.environ, **self._env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LINE_LIMIT,
            preexec_fn=dies_with_parent(),
        )
        self._output = asyncio.create_task(self._pass_on())

    async def exited(self) -> int:
        """Wait until the process and its output have ended, and return the exit code."""
        assert self._process is not None and self._output is not None  # noqa: S101, PT018 - start comes first
        code = await self._process.wait()
        await self._output
        return code

    async def stop(self, timeout: float) -> None:
        """Ask the process to stop; kill it and its children after the timeout."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def log_tail(self) -> str:
        """Return the last lines of the output."""
        return "\n".join(self._last_lines)

    def __str__(self) -> str:
        return self._name

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _pass_on(self) -> None:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self._last_lines.append(line)
            print(self._prefix + line, flush=True)


def _prefix(name: str, colour: int) -> str:
    label = f"{name:<8} | "
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[3{1 + colour % 6}m{label}\x1b[0m" if coloured else label
