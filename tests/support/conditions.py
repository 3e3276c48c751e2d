"""Conditions that tests wait for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

# Seconds until a test gives up on an event. Most take a second or two, and many times as long at a load of 30.
DEADLINE = 120.0

T = TypeVar("T")


async def eventually(
    probe: Callable[[], Awaitable[T | None]], timeout: float = DEADLINE, interval: float = 0.05, what: str = "it"
) -> T:
    """Call the probe again and again until its result is not None, and return it; fail after the timeout (seconds)."""
    deadline = asyncio.get_running_loop().time() + timeout
    while asyncio.get_running_loop().time() < deadline:
        if (result := await probe()) is not None:
            return result
        await asyncio.sleep(interval)
    raise AssertionError(f"{what} did not happen within {timeout} s")
