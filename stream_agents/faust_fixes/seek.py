"""Going back to the committed offset in every partition.

Without this, the consumer stays where it is in a partition whose committed offset is 0 or missing, and skips the
messages that it read before a rebalance: aiokafka's `seek_to_committed` does not move it. Upstream knows, as
https://github.com/aio-libs/aiokafka/issues/1003.
"""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from typing_extensions import override

from stream_agents.faust_fixes.changelog_pause import is_changelog
from stream_agents.faust_fixes.commit import CommitConsumer


class SeekThread(driver.AIOKafkaConsumerThread):
    """Goes back in partitions without a committed offset too, and begins a new turn of every partition."""

    client: AIOKafkaConsumer
    consumer: CommitConsumer

    @override
    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to the committed offset of every partition, or to its beginning if there is none."""
        committed: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return committed

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        committed: dict[TP, int | None] = {}
        for tp in self.client.assignment():
            committed[tp] = None
            if is_changelog(self.app, tp):
                continue
            offset = committed[tp] = await self.client.committed(tp)
            self.consumer.offsets.went_back(ensure_TP(tp))
            if offset is None:
                await self.client.seek_to_beginning(tp)
            else:
                self.client.seek(tp, offset)
        return committed
