"""Faust's Kafka transport, held to two promises that Faust itself does not keep.

A consumer that never commits an offset beyond what has been stored durably, and a producer that is idempotent.
See docs/decisions/0006-no-commit-before-changelog.md.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message
from faust.types.transports import TPorTopicSet
from mode.utils.futures import notify
from yarl import URL

from shared.kafka import fetch_max_wait_ms, producer_options
from shared.settings import Settings


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a wait for new records that suits the broker."""

    wait_ms: int

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes this at 1.5 s and offers no setting.
        consumer._fetch_max_wait_ms = self.wait_ms
        return consumer


class Consumer(driver.Consumer):
    """Commits what was marked as stored and nothing else, whatever Faust counts as acknowledged."""

    Thread: type[ConsumerThread]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return self.Thread(self, loop=self.loop, beacon=self.beacon)

    def mark_stored(self, tp: TP, offset: int) -> None:
        """Allow to commit up to and including this offset; offsets of a partition are marked in order."""
        self._stored[tp] = offset + 1

    def ack(self, message: Message) -> bool:
        """Stop waiting for a message. Faust acknowledges what failed or was skipped too: that commits nothing."""
        first, message.acked = not message.acked, True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return first

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what was stored of partitions that go: they are read again from their committed offset."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._stored.pop(tp, None)

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (tp for tp in self._stored if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._stored.get(tp)


class Producer(driver.Producer):
    """A producer with the options of the pipeline's other producers."""

    options: Mapping[str, Any]

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**super()._settings_extra(), **self.options}


def new_transport(app: AppT, settings: Settings) -> driver.Transport:
    """Return the transport of a worker."""

    class ConfiguredThread(ConsumerThread):
        wait_ms = fetch_max_wait_ms(settings)

    class ConfiguredConsumer(Consumer):
        Thread = ConfiguredThread

    class ConfiguredProducer(Producer):
        options = producer_options(settings)

    class Transport(driver.Transport):
        pass

    # Faust creates the clients itself, from these classes.
    Transport.Consumer = ConfiguredConsumer
    Transport.Producer = ConfiguredProducer
    servers = [URL(f"kafka://{server}") for server in settings.bootstrap_servers.split(",")]
    return Transport(servers, app)
