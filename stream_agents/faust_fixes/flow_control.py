"""Fetching that continues while an agent's queue is full.

Without this, Faust stops fetching from a partition until the agent's queue is half empty, and sleeps for a second once
that is so for every partition, although a queue may have room a millisecond later. Upstream added this in
https://github.com/faust-streaming/faust/pull/55 and does not know of the second problem.
"""

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from typing_extensions import override


class UnpausedConsumer(driver.Consumer):
    """Fetches from partitions with a full queue too."""

    @override
    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the fetcher waits at a full queue anyway."""

    @override
    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing, because `on_buffer_full` did nothing."""
