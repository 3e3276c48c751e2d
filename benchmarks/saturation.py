"""The rate of ECGs through the whole pipeline, from the submission to the row."""

import asyncio
import time
from collections.abc import Callable

from benchmarks.accept import CONNECTIONS
from benchmarks.ecgs import SMALL, bodies
from benchmarks.load import Spec, build_post
from benchmarks.run import Run, generate
from benchmarks.services import Service

WARM_UP = 1.0
"""Seconds of load before a measurement: the first requests meet cold caches, connections and code."""

_POLL = 0.02
_PATIENCE = 120.0


async def saturation(run: Run, gateways: list[Service], token: str, seconds: float, rows: Callable[[], int]) -> float:
    """Submit in a closed loop for some seconds, and return the ECGs per second until the last one's row is there.

    `rows` returns the number of rows. Gateways may run ahead of the workers meanwhile: the time in which the workers
    catch up counts too.

    Raises:
        TimeoutError: if a row does not come.
    """
    before = rows()
    spec = Spec(
        targets=[("127.0.0.1", gateway.port) for gateway in gateways],
        requests=run.requests("saturation", [build_post("/ecgs", token, body) for body in bodies(SMALL)]),
        connections=CONNECTIONS,
        seconds=seconds,
        warmup=0.0,
    )
    result = await generate(spec)
    deadline = time.monotonic() + _PATIENCE
    while rows() - before < result.sent:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{rows() - before} rows of {result.sent} submissions")
        await asyncio.sleep(_POLL)
    return result.sent / (time.monotonic() - result.started)
