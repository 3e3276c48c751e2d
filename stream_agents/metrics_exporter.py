"""The sources of the worker's metrics: Faust's events, and values that are read at a scrape."""

import shutil
from time import perf_counter
from typing import Any, cast

import faust
from aiokafka import TopicPartition
from faust.types import AppT
from faust.types.transports import ConsumerT
from mode import Service
from typing_extensions import override

from shared.kafka.clients import new_reader
from shared.kafka.topics import Topics
from shared.metrics import exported
from shared.settings import Settings
from stream_agents import metrics
from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.serving.assignment import Serving
from stream_agents.table.insights_table import InsightsTable


class Sensor(faust.Sensor):
    """Measures commits and rebalances, which only Faust sees."""

    @override
    def on_commit_initiated(self, consumer: ConsumerT) -> float:
        """Note when a commit begins."""
        return perf_counter()

    @override
    def on_commit_completed(self, consumer: ConsumerT, state: float) -> None:
        """Measure a commit."""
        metrics.commit_seconds.observe(perf_counter() - state)

    @override
    def on_rebalance_start(self, app: AppT) -> dict[str, Any]:
        """Note when a rebalance begins."""
        metrics.rebalances.inc()
        return {"begun": perf_counter()}

    @override
    def on_rebalance_end(self, app: AppT, state: dict[str, Any]) -> None:
        """Measure how long it took until all partitions were recovered."""
        metrics.recovery_seconds.observe(perf_counter() - state["begun"])


class Exporter(Service):
    """Serves the worker's metrics, during recovery too."""

    def __init__(self, app: AppT, settings: Settings, topics: Topics, table: InsightsTable, serving: Serving) -> None:
        super().__init__()
        self._app = app
        self._settings = settings
        self._table = table
        self._serving = serving

    @override
    async def on_start(self) -> None:
        """Connect to the brokers, and start to serve."""
        # A separate connection: on the consumer's, a request waits behind the fetch for new records.
        self._reader = await self.add_async_context(new_reader(self._settings))
        await self.add_async_context(exported(self._settings, "worker", self._refresh))

    async def _refresh(self) -> None:
        serving, rows = self._serving, self._table.rows
        metrics.ready.set(serving.ready)
        metrics.partitions.labels("active").set(len(serving.partitions))
        metrics.partitions.labels("standby").set(len(serving.standbys))
        disk = shutil.disk_usage(self._settings.data_dir)
        metrics.disk.set(disk.total)
        metrics.disk_free.set(disk.free)
        for metric in (metrics.table_rows, metrics.table_bytes, metrics.lag):
            metric.clear()
        for partition in filter(rows.holds, serving.partitions | serving.standbys):
            number, size = rows.size(partition)
            metrics.table_rows.labels(partition).set(number)
            metrics.table_bytes.labels(partition).set(size)
        if serving.ready:
            await self._refresh_lag()

    async def _refresh_lag(self) -> None:
        # Before the end offsets: progress in between makes the lag too large for a moment, but never negative.
        stored = await cast("Consumer", self._app.consumer).first_unstored()
        ends = await self._reader.end_offsets([TopicPartition(tp.topic, tp.partition) for tp in stored])
        for tp, end in ends.items():
            first = stored[faust.types.TP(tp.topic, tp.partition)]
            metrics.lag.labels(tp.partition).inc(max(end - first, 0))
