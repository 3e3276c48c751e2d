"""Restarting a process that ends by itself."""

import asyncio
from collections.abc import Callable

from local_stack.process import Child

RAN_WELL = 30.0
"""Seconds after which a process counts as started. On an idle machine a worker serves after about three."""

ATTEMPTS = 3
"""Failures in a row after which a process that never ran well is given up."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Restarts:
    """The pauses before restarts: short at first, doubled each time, short again after the process ran well."""

    def __init__(self) -> None:
        self._ran_well = False
        self._errors = 0
        self._next_pause = _FIRST_PAUSE

    def pause(self, ran: float, exit_code: int) -> float | None:
        """Return the pause before the next start in seconds, or None if the process cannot start.

        Args:
            ran: how long it ran, in seconds.
            exit_code: the exit code. A negative one means a signal, which does not count as a failure to start.
        """
        if ran >= RAN_WELL:
            self._ran_well = True
            self._next_pause = _FIRST_PAUSE
        self._errors = self._errors + 1 if exit_code > 0 else 0
        if not self._ran_well and self._errors == ATTEMPTS:
            return None
        pause = self._next_pause
        self._next_pause = min(2 * pause, _LONGEST_PAUSE)
        return pause


async def keep_running(child: Child, say: Callable[[str], None]) -> str:
    """Start a process, and restart it each time it ends; return the reason once it cannot start."""
    loop, restarts = asyncio.get_running_loop(), Restarts()
    while True:
        began = loop.time()
        await child.start()
        code = await child.exited()
        pause = restarts.pause(loop.time() - began, code)
        if pause is None:
            return f"{child} cannot start: it ended {ATTEMPTS} times in a row, now with exit code {code}"
        say(f"{child} ended unexpectedly with exit code {code}; it starts again in {pause:g} s")
        await asyncio.sleep(pause)
