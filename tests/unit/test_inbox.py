"""The agent's inbox, and its check for messages that never arrive."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP, EventT

from stream_agents.faust_fixes.lost_messages import ArrivalCheck
from stream_agents.faust_fixes.offsets import MessageLost, Offsets
from stream_agents.faust_fixes.poll import Poll
from stream_agents.inbox import Inbox


def event(records: int) -> EventT[Any]:
    """Return an event with so many records, of which an inbox looks at the number only."""
    return cast("EventT[Any]", SimpleNamespace(value=Poll(cast("Any", range(records)), 0)))


async def test_a_batch_is_all_that_has_arrived_and_the_next_one_waits() -> None:
    inbox = Inbox(batch_size=10)
    events = [event(1), event(2)]
    for arriving in events:
        await inbox.put(arriving)
    assert await inbox.take() == events
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await inbox.put(events[0])
    assert await taking == events[:1]


async def test_a_full_inbox_takes_no_more_until_its_batch_is_taken() -> None:
    inbox = Inbox(batch_size=4)
    full, late = [event(3), event(1)], event(1)
    for arriving in full:
        await inbox.put(arriving)
    putting = asyncio.create_task(inbox.put(late))
    await asyncio.sleep(0)
    assert not putting.done()
    assert await inbox.take() == full
    await putting
    assert await inbox.take() == [late]


@pytest.fixture
def app() -> SimpleNamespace:
    """The part of the worker's app that the check uses: its rebalances, and the offsets fetched and stored."""
    return SimpleNamespace(rebalancing=False, consumer=SimpleNamespace(offsets=Offsets[TP]()))


def test_a_message_that_has_not_arrived_twice_in_a_row_is_lost(app: SimpleNamespace) -> None:
    arrivals = ArrivalCheck(cast("Any", app))
    app.consumer.offsets.fetched(TP("t", 0), [7])
    arrivals.idle()
    with pytest.raises(MessageLost, match="7"):
        arrivals.idle()


def test_a_message_may_still_come_behind_others_or_after_a_rebalance(app: SimpleNamespace) -> None:
    arrivals = ArrivalCheck(cast("Any", app))
    app.consumer.offsets.fetched(TP("t", 0), [7, 8])
    arrivals.idle()
    arrivals.arrived()
    arrivals.idle()
    app.rebalancing = True
    arrivals.idle()
    app.rebalancing = False
    arrivals.idle()
    app.consumer.offsets.stored(TP("t", 0), 0, 7, 7)
    arrivals.idle()
