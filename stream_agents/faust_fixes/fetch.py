"""Fetches that take only the records that they were asked for, and note them.

Without this, a fetch that waits through a rebalance takes the first records after a seek, from partitions that Faust
did not ask for, and Faust drops them: rows of tables are missing, or messages are lost. Faust passes its live set of
partitions, which a rebalance empties, and to aiokafka an empty set means all partitions. Not reported upstream.
"""

from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from faust.transport.consumer import RecordMap, ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from typing_extensions import override

from stream_agents.faust_fixes.commit import CommitConsumer
from stream_agents.faust_fixes.poll import Poll


class FetchThread(driver.AIOKafkaConsumerThread):
    """Notes the offsets that it fetches, and fetches again what it fetched while the consumer went back."""

    consumer: CommitConsumer

    @override
    async def _fetch_records(
        self, consumer: AIOKafkaConsumer, active_partitions: set[TP], *args: Any, **kwargs: Any
    ) -> RecordMap:
        asked = frozenset(active_partitions)
        if not asked:
            return {}
        turns = self.consumer.offsets.turns()
        fetched = await super()._fetch_records(consumer, asked, *args, **kwargs)  # type: ignore[arg-type]
        polls: dict[TP, list[Poll]] = {}
        for tp, records in fetched.items():
            turn = turns.get(ensure_TP(tp), 0)
            if turn != self.consumer.offsets.turn(ensure_TP(tp)):
                await self._give_back(consumer, tp, records[0].offset)
                continue
            self.consumer.offsets.fetched(ensure_TP(tp), [record.offset for record in records])
            polls[tp] = [Poll(records, turn)]
        return polls

    async def _give_back(self, consumer: AIOKafkaConsumer, tp: TopicPartition, first: int) -> None:
        """Have records fetched again, because the consumer went back in their partition during the fetch.

        If it went back before it took the records, its position is after them and has to be reset. If it went back
        afterwards, its position is right.
        """
        with suppress(IllegalStateError):  # the partition was revoked
            if await consumer.position(tp) > first:
                consumer.seek(tp, first)
