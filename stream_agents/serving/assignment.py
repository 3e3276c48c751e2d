"""The partitions for which this worker answers queries, and their announcement to the gateways."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.types import TP, AppT
from tenacity import wait_fixed

from shared.kafka.topics import Topics
from shared.settings import Settings
from shared.worker_protocol import announcements
from shared.worker_protocol.announcements import Announcement
from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.faust_fixes.producer import sending
from stream_agents.serving.end_offsets import Ends
from stream_agents.serving.waiters import Waits
from stream_agents.table.insights_table import InsightsTable

log = structlog.get_logger(__name__)

# Less than a gateway waits for an answer.
_CATCH_UP_TIMEOUT = 0.7
# A worker must stop even if no broker takes its farewell.
_FAREWELL_TIMEOUT = 2.0
_PAUSE_AFTER_ERROR = 0.5
_POLL = 0.01


class Serving:
    """Follows the worker's assignments, and knows which partitions it serves.

    A worker serves only while its last heartbeat is younger than the session timeout: after that time the group
    considers the worker dead, and others may write to its partitions.

    A partition is served from the end of its recovery until it is assigned elsewhere, even while the group
    rebalances, because nobody writes to the partition before its next owner has recovered it.
    """

    def __init__(
        self, app: AppT, settings: Settings, topics: Topics, *, table: InsightsTable, waits: Waits, ends: Ends
    ) -> None:
        self._app = app
        self._table = table
        self._waits = waits
        self._topic = topics.workers.name
        self._url = settings.worker_url
        self._session_timeout = settings.session_timeout
        self._ends = ends
        self._generation = -1
        self._partitions: frozenset[int] = frozenset()
        self._ready = False
        app.on_partitions_assigned.connect(self._on_assigned)
        app.on_rebalance_complete.connect(self._on_recovered)
        app.on_before_shutdown.connect(self._on_shutdown)

    @property
    def ready(self) -> bool:
        """True if the worker is in the group and its partitions, if it has any, are recovered."""
        return self._ready and not self._app.rebalancing and self._is_member

    @property
    def _is_member(self) -> bool:
        return cast("Consumer", self._app.consumer).seconds_since_heartbeat < self._session_timeout

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that are served."""
        return self._partitions

    @property
    def standbys(self) -> frozenset[int]:
        """The partitions of which this worker should have a copy."""
        return self._numbers(self._app.assignor.assigned_standbys())

    def serves(self, partition: int) -> bool:
        """Return True if this worker has every row of a partition."""
        return partition in self._partitions and self._table.rows.holds(partition) and self._is_member

    async def knows(self, partition: int) -> bool:
        """Return True if a row of the partition that is not here does not exist."""
        return bool(await self.known([partition]))

    async def known(self, partitions: Sequence[int]) -> list[int]:
        """Return those of the partitions of which this worker has all rows: a row that is not here does not exist.

        A worker that does not serve a partition may have a copy of it: this waits a moment for the copy to catch up.
        """
        known = [partition for partition in partitions if self.serves(partition)]
        copies = [p for p in partitions if p not in known and self._table.rows.holds(p)]
        if copies:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_CATCH_UP_TIMEOUT):
                    known += await self._caught_up(copies)
        return known

    async def _caught_up(self, copies: Sequence[int]) -> list[int]:
        """Return the partitions once their local copies have every record that the changelog had at the call.

        A partition that is closed meanwhile is left out. A row becomes visible only after its record is on the
        changelog, so nobody can have seen a row that such a copy lacks.

        Raises:
            KafkaError: if the broker cannot be asked.
        """
        rows = self._table.rows
        tps = {partition: self._table.changelog_tp(partition) for partition in copies}
        at_call = await self._ends.of(tps.values())
        while True:
            tps = {partition: tp for partition, tp in tps.items() if rows.holds(partition)}
            if all(rows.position(partition) >= at_call[tp] for partition, tp in tps.items()):
                return list(tps)
            await asyncio.sleep(_POLL)

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        self._ready = False
        generation = self._app.consumer_generation_id
        # A worker that missed a generation counted as dead: another one may have written to its partitions.
        kept = self._partitions if generation == self._generation + 1 else frozenset()
        self._generation = generation
        self._partitions = kept & self._active()
        self._waits.release()

    async def _on_recovered(self, *_: Any, **__: Any) -> None:
        self._partitions = self._active()
        announcement = Announcement(self._url, sorted(self._partitions), sorted(self.standbys))
        # In an outage this tries until the brokers are back, or the next rebalance cancels it.
        async for attempt in sending(self._app, wait=wait_fixed(_PAUSE_AFTER_ERROR)):
            with attempt:
                await self._publish(announcements.encode(announcement))
        self._ready = True
        log.info("serving", partitions=sorted(self._partitions))

    async def _on_shutdown(self, *_: Any, **__: Any) -> None:
        self._waits.close()
        # Without the farewell gateways find out later by themselves: no reason to fail the stop.
        with contextlib.suppress(ProducerSendError, KafkaError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_TIMEOUT):
                await self._publish(None)
                await self._ends.stop()

    def _active(self) -> frozenset[int]:
        return self._numbers(self._app.assignor.assigned_actives())

    def _numbers(self, assigned: Iterable[TP]) -> frozenset[int]:
        topic = self._table.changelog_topic.get_topic_name()
        return frozenset(tp.partition for tp in assigned if tp.topic == topic)

    async def _publish(self, value: bytes | None) -> None:
        await self._app.producer.send_and_wait(
            self._topic, self._url.encode(), value, partition=0, timestamp=None, headers=None
        )
