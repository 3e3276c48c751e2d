"""Metrics that only the broker knows: the lag of the workers, and the replicas of the topics."""

from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from ingest_api import metrics
from shared.kafka.clients import new_admin, new_reader, worker_group
from shared.kafka.topics import Topics
from shared.settings import Settings

# A request may go to a broker that is down, until the client has noticed. With a longer timeout, the metrics that an
# alert about that broker needs would be missing in every third scrape.
_REQUEST_TIMEOUT_MS = 1000
_again = AsyncRetrying(
    retry=retry_if_exception_type(KafkaError), stop=stop_after_attempt(5), wait=wait_fixed(0.1), reraise=True
)


class ClusterMetrics:
    """Asks the broker for metrics, at each `refresh`.

    Gateways do that, although the lag is the workers', because somebody has to report it when no worker is left.
    """

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._topics = topics
        self._group = worker_group(settings)
        self._partitions = topics.submissions.all_partitions() + topics.chunks.all_partitions()
        self._reader = new_reader(settings)
        self._admin = new_admin(settings, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        metrics.min_insync_replicas.set(settings.min_insync_replicas)

    async def start(self) -> None:
        """Connect to the brokers.

        Raises:
            KafkaError: if they cannot be reached.
        """
        await self._reader.start()
        await self._admin.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._reader.stop()
        await self._admin.close()

    async def refresh(self) -> None:
        """Update the metrics. Those that the broker does not answer are absent.

        Raises:
            KafkaError: if the brokers cannot be asked.
        """
        for metric in (metrics.group_lag, metrics.replicas, metrics.in_sync_replicas):
            metric.clear()
        # Committed offsets first: a commit in between then makes the lag too large for a moment, never negative.
        committed: dict[TopicPartition, Any] = await _again(
            self._admin.list_consumer_group_offsets, self._group, partitions=self._partitions
        )
        begins = await self._reader.beginning_offsets(self._partitions)
        ends = await self._reader.end_offsets(self._partitions)
        for tp, end in ends.items():
            # Without a commit, the workers begin with the first record. Records that retention has deleted do not wait.
            done = max(committed[tp].offset, begins[tp]) if tp in committed else begins[tp]
            metrics.group_lag.labels(tp.partition).inc(max(end - done, 0))
        topics: list[Any] = await _again(self._admin.describe_topics, [topic.name for topic in self._topics])
        for topic in topics:
            described = topic["partitions"]
            metrics.replicas.labels(topic["topic"]).set(min(len(p["replicas"]) for p in described))
            metrics.in_sync_replicas.labels(topic["topic"]).set(min(len(p["isr"]) for p in described))
