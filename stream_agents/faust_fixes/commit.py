"""Commits of stored messages only.

Without this, Faust commits offsets past messages that are not processed: it takes the first acknowledged offset without
checking for a gap before it, and also acknowledges messages that failed or were skipped. A worker that ends then leaves
them out for good (docs/decisions/0006-no-commit-before-changelog.md). Upstream knows of a part, as
https://github.com/faust-streaming/faust/issues/606.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet
from mode.utils.futures import notify
from typing_extensions import override

from stream_agents.faust_fixes.changelog_pause import is_changelog
from stream_agents.faust_fixes.offsets import Offsets


class CommitThread(driver.AIOKafkaConsumerThread):
    """Knows how far the messages are stored."""

    client: AIOKafkaConsumer
    consumer: "CommitConsumer"

    async def first_unstored(self) -> Mapping[TP, int]:
        """Return the offset before which everything is stored, for every partition of the submissions."""
        first: Mapping[TP, int] = await self.call_thread(self._first_unstored)
        return first

    async def _first_unstored(self) -> Mapping[TP, int]:
        tps = [ensure_TP(tp) for tp in self.client.assignment() if not is_changelog(self.app, ensure_TP(tp))]
        # Without unstored messages it is the consumer's position, which also moves past transaction markers.
        positions = {tp: await self.client.position(tp) for tp in tps}
        return positions | {tp: o for tp, o in self.consumer.offsets.first_unstored().items() if tp in positions}


class CommitConsumer(driver.Consumer):
    """Commits only messages that were marked as stored, whatever Faust counts as acknowledged."""

    thread: CommitThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.offsets: Offsets[TP] = Offsets()
        super().__init__(*args, **kwargs)

    async def first_unstored(self) -> Mapping[TP, int]:
        """Return the offset before which everything is stored, for every partition of the submissions.

        Raises:
            KafkaError: if a partition moves meanwhile.
        """
        return await self.thread.first_unstored()

    @override
    def ack(self, message: Message) -> bool:
        """Stop waiting for a message. Commit nothing, because Faust also acknowledges failed and skipped messages."""
        first, message.acked = not message.acked, True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return first

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the offsets of revoked partitions: these are read again from their committed offset."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self.offsets.revoked(tp)

    @override
    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (tp for tp in self.offsets.partitions() if topics is None or tp in topics or tp.topic in topics)

    @override
    def _new_offset(self, tp: TP) -> int | None:
        return self.offsets.next(tp)
