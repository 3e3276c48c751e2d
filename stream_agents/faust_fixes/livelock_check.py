"""No check for partitions whose messages are not processed.

Without this, a worker may end by itself in an ordinary rebalance: every few seconds Faust looks for partitions that are
not fetched or not processed, asks aiokafka for the position of each, and crashes with an AssertionError if a partition
was assigned a moment ago and has none yet. The check only logs, and it compares times of different clocks. The failures
that it looks for end the worker anyway: a Kafka client whose tasks ended, and messages that do not arrive
(lost_messages.py). Not known upstream.
"""

from faust.transport.drivers import aiokafka as driver
from typing_extensions import override


class UncheckedConsumer(driver.Consumer):
    """Does not look for idle partitions."""

    @override
    async def verify_all_partitions_active(self) -> None:
        """Do nothing."""
