"""A worker that is told to stop ends in time, whatever it waits for: container runtimes kill it after ten seconds."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.support.brokers import Broker
from tests.support.conditions import eventually
from tests.support.pipeline import NewPipeline, Worker

NewBroker = Callable[[], Awaitable[Broker]]

LIMIT = 8.0


async def stopped(worker: Worker, number: int) -> int:
    """Stop a worker, check that it ends in time, and return its exit code."""
    begun = time.monotonic()
    worker.signal(number)
    code = await asyncio.to_thread(worker.running.wait, 60)
    seconds = time.monotonic() - begun
    assert seconds <= LIMIT, f"{seconds:.1f} s:\n{worker.tail()}"
    return code


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_stops_in_time_whatever_it_waits_for(
    new_pipeline: NewPipeline, new_broker: NewBroker, number: int
) -> None:
    """The broker freezes while a worker works, and before another one starts."""
    broker = await new_broker()
    pipeline = new_pipeline(on=broker)
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    broker.pause()
    try:
        assert await stopped(worker, number) == 0
        fresh = pipeline.start_worker()
        # Until it waits for the broker. There is no condition to poll, because its web server is not up yet.
        await asyncio.sleep(1)
        assert await stopped(fresh, number) in (0, -number)
    finally:
        broker.resume()


async def test_a_stopped_worker_has_left_its_group(new_pipeline: NewPipeline) -> None:
    """Otherwise the next worker waits until the session has timed out, in the group's first generation too."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker(ECG_LOG_LEVEL="DEBUG")
    await pipeline.ready()
    assert worker.stop() == 0
    assert "LeaveGroup request succeeded" in worker.log.read_text()


async def test_a_second_worker_in_a_directory_says_so_and_ends(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    first = pipeline.start_worker()
    await pipeline.ready()
    second = pipeline.start_worker(ECG_DATA_DIR=first.env["ECG_DATA_DIR"])

    async def ended() -> bool | None:
        return True if second.running.poll() is not None else None

    await eventually(ended, what="the end of the second worker")
    assert second.running.returncode == 2
    assert "another worker uses this directory: give each its own with ECG_DATA_DIR" in second.log.read_text()
    assert first.running.poll() is None
    pipeline.workers.remove(second)
