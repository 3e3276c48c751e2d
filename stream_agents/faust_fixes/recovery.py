"""What happens between an assignment of partitions and their first message: their tables catch up.

Stands in the place of Faust's recovery, which shares the consumer of the messages, pauses and seeks in it, and so loses
records of the changelog, of messages, or of both: see docs/decisions/0025-own-recovery.md.
"""

import asyncio
from typing import Any

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from faust.tables.manager import TableManager as FaustTableManager
from faust.types import TP, AppT
from mode import Service

from stream_agents.serving.end_offsets import Ends
from stream_agents.table.changelog import ChangelogReader

log = structlog.get_logger(__name__)

_PAUSE_AFTER_ERROR = 0.2


class Recovery(Service):
    """Has the tables of assigned partitions catch up with their changelog, and then lets the messages flow."""

    def __init__(self, app: AppT, topic: str, reader: ChangelogReader, ends: Ends, **options: Any) -> None:
        super().__init__(**options)
        self.completed = asyncio.Event()
        self._app = app
        self._topic = topic
        self._reader = reader
        self._ends = ends
        self._assigned = asyncio.Event()
        self._rebalances = 0

    async def on_start(self) -> None:
        """Begin to read the changelog."""
        await self.add_runtime_dependency(self._reader)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Do nothing: what was applied is written, with its position."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Begin to recover what is assigned; an earlier recovery ends."""
        self._rebalances = self._app.rebalancing_count
        self._assigned.set()

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self._assigned):  # type: ignore[arg-type]  # it takes all that can wait
                return
            self._assigned.clear()
            await self.wait_first(self._recover(self._rebalances), self._assigned)  # type: ignore[arg-type]

    async def _recover(self, rebalances: int) -> None:
        actives, standbys = (
            {tp for tp in assigned if tp.topic == self._topic}
            for assigned in (self._app.assignor.assigned_actives(), self._app.assignor.assigned_standbys())
        )
        self._reader.follow(tp.partition for tp in standbys)
        ends = await self._ends_of(actives)
        await asyncio.gather(*(self._reader.reach(tp.partition, end) for tp, end in ends.items()))
        await self._app.on_rebalance_complete.send()
        try:
            await self._app.consumer.perform_seek()
        except IllegalStateError:
            return  # a partition is not ours any more: the next assignment is on its way
        # The next rebalance may have begun, and stopped the flow.
        if rebalances == self._app.rebalancing_count:
            await self._resume()

    async def _ends_of(self, tps: set[TP]) -> dict[TP, int]:
        while True:
            try:
                return dict(await self._ends.of(tps)) if tps else {}
            except KafkaError as error:
                log.warning("asking for the changelog's end again", error=repr(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR)

    async def _resume(self) -> None:
        """Let messages flow, from their committed offsets on.

        Until now nothing was fetched, so that the agents' queues are empty, which `flow_control` empties.
        """
        app, consumer = self._app, self._app.consumer
        consumer.resume_partitions({tp for tp in consumer.assignment() if tp.topic != self._topic})
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # type: ignore[attr-defined]  # as Faust's own recovery does
        app.on_rebalance_end()


class TableManager(FaustTableManager):
    """Faust's manager of tables, with a recovery of ours."""

    own_recovery: Recovery

    @property
    def recovery(self) -> Recovery:  # type: ignore[override]  # all of it that is called is there
        """What recovers the tables."""
        return self.own_recovery

    async def on_stop(self) -> None:
        """Stop reading before the tables are closed."""
        await self.recovery.stop()
        await super().on_stop()
