"""A consumer that fetches no changelog.

Without this, the consumer of the messages also fetches the changelog, whose partitions Faust assigns with their table,
and keeps the records in memory, where nobody takes them: the tables have a reader of their own
(docs/decisions/0026-own-recovery.md). This follows from that reader; upstream has no part in it.
"""

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from typing_extensions import override


def is_changelog(app: AppT, tp: TP) -> bool:
    """Return True if a partition belongs to a table's changelog."""
    return tp.topic in app.tables.changelog_topics


class ChangelogPauseThread(driver.AIOKafkaConsumerThread):
    """Pauses the changelog's partitions as soon as they are assigned."""

    client: AIOKafkaConsumer

    @override
    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Pause the changelog's partitions: they are assigned with their table, but read by another consumer."""
        changelog = [TopicPartition(*tp) for tp in assigned if is_changelog(self.app, tp)]
        self.client.pause(*changelog)
        await super().on_partitions_assigned(assigned, generation_id)
