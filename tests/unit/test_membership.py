"""The time since which a worker counts as a member of its group."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

from stream_agents.faust_fixes.membership import Heartbeats


async def test_a_heartbeat_is_as_old_as_its_request() -> None:
    """A worker that is frozen before it reads the answer must not serve by it: others may have its partitions."""
    sent, answered = asyncio.Event(), asyncio.Event()

    async def request(*_: Any) -> bool:
        sent.set()
        await answered.wait()
        return True

    coordinator = SimpleNamespace(_do_heartbeat=request, _do_rejoin_group=request)
    heartbeats = Heartbeats(cast("Any", SimpleNamespace(_coordinator=coordinator)))
    heartbeat = asyncio.create_task(coordinator._do_heartbeat())
    await sent.wait()
    frozen = time.monotonic()
    answered.set()
    await heartbeat
    assert heartbeats.last is not None
    assert heartbeats.last <= frozen
    await coordinator._do_rejoin_group()
    assert heartbeats.last >= frozen
