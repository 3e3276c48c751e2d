"""Starting a process again when it ends by itself."""

import asyncio
from collections.abc import Callable

from local_stack.process import Child

RAN_WELL = 30.0
"""Seconds after which a process counts as started. A worker serves after about three on an idle machine."""

ATTEMPTS = 3
"""Errors in a row after which a process that never ran well counts as one that cannot start."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Restarts:
    """When a process starts again: soon at first, later each time, soon again after it ran well."""

    def __init__(self) -> None:
        self._ran_well = False
        self._errors = 0
        self._next_pause = _FIRST_PAUSE

    def pause(self, ran: float, exit_code: int) -> float | None:
        """Return the pause before the next start in seconds, None if the process cannot start.

        Args:
            ran: how long it ran, in seconds.
            exit_code: as Python has it: negative after a signal, which says nothing about whether it can start.
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
    """Start a process, and start it again each time it ends; return the reason once it cannot start."""
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
