"""The bytes of submissions that a gateway holds: received bytes count, up to a limit."""

import asyncio
import tracemalloc
from operator import length_hint

import pytest
from fastapi import Request
from starlette.types import Message

from ingest_api.http.body import BodyLimit, read_body
from ingest_api.http.errors import Unavailable
from ingest_api.submissions.memory_budget import MemoryBudget


async def test_received_bytes_count_and_announced_ones_do_not() -> None:
    budget = MemoryBudget(100, patience=1)
    with budget.submission() as one, budget.submission() as other:
        one.check(100)
        other.check(100)
        assert budget.held == 0
        one.add(60)
        other.add(40)
        assert budget.held == 100
        for submission in (one, other):
            with pytest.raises(Unavailable):
                submission.add(1)
        assert budget.held == 100
    assert budget.held == 0


async def test_a_single_submission_may_be_larger_than_the_limit() -> None:
    budget = MemoryBudget(100, patience=1)
    with budget.submission() as one:
        one.check(500)
        one.add(99)
        one.add(401)
        with budget.submission() as other, pytest.raises(Unavailable):
            other.add(1)
    with budget.submission() as other:
        other.add(1)


async def test_a_submission_that_takes_too_long_makes_room() -> None:
    budget = MemoryBudget(100, patience=0)
    arrived = asyncio.Event()

    async def arrive(size: int) -> None:
        with budget.submission() as submission:
            async with submission.arrival():
                submission.add(size)
                await arrived.wait()

    slow = asyncio.create_task(arrive(90))
    await asyncio.sleep(0)
    with budget.submission() as late:
        # The slow submission is given up in favour of a later attempt, not of this one.
        with pytest.raises(Unavailable):
            late.add(20)
        with pytest.raises(Unavailable, match="too slowly"):
            await slow
        late.add(20)
    assert budget.held == 0


async def test_no_submission_is_given_up_within_its_time() -> None:
    budget = MemoryBudget(100, patience=60)
    with budget.submission() as slow, budget.submission() as late:
        async with slow.arrival():
            slow.add(90)
            with pytest.raises(Unavailable):
                late.add(20)
            await asyncio.sleep(0)
    assert budget.held == 0


async def test_a_complete_submission_is_not_given_up() -> None:
    budget = MemoryBudget(100, patience=0)
    with budget.submission() as whole, budget.submission() as late:
        async with whole.arrival():
            whole.add(90)
        with pytest.raises(Unavailable):
            late.add(20)
        await asyncio.sleep(0)
        assert budget.held == 90


async def test_a_body_in_many_parts_takes_no_more_than_in_one() -> None:
    parts, held = 200_000, 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"%d" % (held % 10), "more_body": held < parts - 1}

    def hold(size: int) -> None:
        nonlocal held
        held += size

    tracemalloc.start()
    try:
        body = await read_body(Request({"type": "http", "headers": []}, receive), BodyLimit(parts), hold)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body == b"0123456789" * (parts // 10)
    assert held == parts
    assert peak < 5 * parts


@pytest.mark.parametrize("sizes", [[7], [70_000, 1], [1, 2, 70_000, 3, 65_535, 1, 1, 200_000, 300_000, 0, 4]])
async def test_a_body_in_parts_of_any_size_is_read_whole(sizes: list[int]) -> None:
    parts = [bytes([i]) * size for i, size in enumerate(sizes)]
    waiting = iter(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": next(waiting), "more_body": length_hint(waiting) > 0}

    assert await read_body(Request({"type": "http", "headers": []}, receive), BodyLimit(sum(sizes))) == b"".join(parts)
