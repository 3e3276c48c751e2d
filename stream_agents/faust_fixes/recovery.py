"""The recovery of assigned partitions: their tables catch up before their first message is processed.

Without this, Faust's recovery pauses and seeks in the consumer of the messages, and so loses records of the changelog,
messages, or both; it also goes on after timeouts and failed writes, and takes minutes for a large table
(docs/decisions/0026-own-recovery.md). Upstream knows of the lost messages, as
https://github.com/faust-streaming/faust/issues/596.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from faust.tables.manager import TableManager as FaustTableManager
from faust.types import TP, AppT
from mode import Service
from typing_extensions import override

log = structlog.get_logger(__name__)

EndsOf: TypeAlias = Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]]

_PAUSE_AFTER_ERROR = 0.2


class CopiesReader(Service):
    """Applies a changelog to the local copies of its table."""

    @abstractmethod
    def follow(self, partitions: Iterable[int]) -> None:
        """Follow exactly these partitions from now on."""

    @abstractmethod
    async def reach(self, partition: int, offset: int) -> None:
        """Return when every record below an offset has been applied, or the partition is no longer open here."""


class Recovery(Service):
    """Brings the tables of assigned partitions up to date with their changelog, and then lets the messages flow.

    Args:
        app: the worker's app.
        topic: the changelog's name.
        reader: reads the changelog; it starts and stops with the recovery.
        ends_of: returns the end offsets of partitions.
        options: of the service.
    """

    def __init__(self, app: AppT, topic: str, reader: CopiesReader, ends_of: EndsOf, **options: Any) -> None:
        super().__init__(**options)
        self.completed = asyncio.Event()
        self._app = app
        self._topic = topic
        self._reader = reader
        self._ends_of = ends_of
        self._assigned = asyncio.Event()
        self._rebalances = 0

    @override
    async def on_start(self) -> None:
        """Start to read the changelog."""
        await self.add_runtime_dependency(self._reader)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Do nothing: all applied records are written, with their position."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Start to recover the assigned partitions; an earlier recovery is cancelled."""
        self._rebalances = self._app.rebalancing_count
        self._assigned.set()

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self._assigned):  # type: ignore[arg-type]  # an Event is accepted too
                return
            self._assigned.clear()
            await self.wait_first(self._recover(self._rebalances), self._assigned)  # type: ignore[arg-type]

    async def _recover(self, rebalances: int) -> None:
        actives, standbys = (
            {tp for tp in assigned if tp.topic == self._topic}
            for assigned in (self._app.assignor.assigned_actives(), self._app.assignor.assigned_standbys())
        )
        self._reader.follow(tp.partition for tp in standbys)
        ends = await self._changelog_ends(actives)
        await asyncio.gather(*(self._reader.reach(tp.partition, end) for tp, end in ends.items()))
        await self._app.on_rebalance_complete.send()
        try:
            await self._app.consumer.perform_seek()
        except IllegalStateError:
            return  # a partition was revoked: the next assignment is on its way
        # Unless the next rebalance has begun, which has stopped the flow.
        if rebalances == self._app.rebalancing_count:
            await self._resume()

    async def _changelog_ends(self, tps: set[TP]) -> dict[TP, int]:
        while True:
            try:
                return dict(await self._ends_of(tps)) if tps else {}
            except KafkaError as error:
                log.warning("asking for the changelog's end again after an error", error=repr(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR)

    async def _resume(self) -> None:
        """Let messages flow, from their committed offsets on.

        Nothing has been fetched so far, so `flow_control` loses no messages when it clears the agents' queues.
        """
        app, consumer = self._app, self._app.consumer
        consumer.resume_partitions({tp for tp in consumer.assignment() if tp.topic != self._topic})
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # type: ignore[attr-defined]  # as Faust's own recovery does
        app.on_rebalance_end()


class TableManager(FaustTableManager):
    """Faust's table manager, with our own recovery."""

    own_recovery: Recovery

    @property
    @override
    def recovery(self) -> Recovery:  # type: ignore[override]  # it has every method that Faust calls
        """The recovery of the tables."""
        return self.own_recovery

    @override
    async def on_start(self) -> None:
        """Start without Faust's pause of a second, in which an app could still add tables."""
        await self._update_channels()
        await self.recovery.start()

    @override
    async def on_stop(self) -> None:
        """Stop reading before the tables are closed."""
        await self.recovery.stop()
        await super().on_stop()
