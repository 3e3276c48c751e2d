"""Faust's Kafka transport, held to promises that Faust itself does not keep.

A consumer that loses no message that it has fetched and never commits an offset beyond what has been stored durably,
and a producer that is idempotent. See docs/decisions/0006-no-commit-before-changelog.md.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.exceptions import ProducerSendError
from faust.transport.consumer import RecordMap, ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, EventT, Message
from faust.types.transports import TPorTopicSet
from faust.types.tuples import ConsumerMessage
from mode.utils.futures import notify
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from yarl import URL

from shared.kafka.client_watch import PRODUCER_BROKEN, Heartbeats, watched
from shared.kafka.clients import client_options, fetch_max_wait_ms, producer_options
from shared.settings import Settings
from stream_agents.faust_fixes.offsets import Offsets

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)  # Faust logs what it handles
class Poll:
    """The records of one partition that one poll has brought, in order: one message for Faust.

    Faust's way from the consumer to an agent takes longer for a message than the agent does for an ECG.
    """

    records: Sequence[ConsumerRecord]
    turn: int
    """The partition's turn in `Offsets`: a poll of an earlier turn is fetched again."""


def poll_of(event: EventT[Any]) -> Poll:
    """Return the poll that an event is."""
    return cast("Poll", event.value)


def polled(event: EventT[Any]) -> Sequence[ConsumerRecord]:
    """Return the records of an event."""
    return poll_of(event).records


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which takes note of what it fetches."""

    wait_ms: int
    request_timeout_ms: int
    consumer: "Consumer"

    async def on_start(self) -> None:
        """Start the client, and look after it: Faust asks it neither for errors of its group nor for heartbeats."""
        await super().on_start()
        consumer = watched(self._ensure_consumer())
        self.heartbeats = Heartbeats(consumer)

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes these, at 1.5 s and at read_uncommitted, and offers no settings. Whoever produces in transactions
        # has not submitted what they abort.
        consumer._fetch_max_wait_ms = self.wait_ms
        consumer._isolation_level = "read_committed"
        # Faust's timeout also bounds the steps of a recovery, which goes on as if they were done when it is over: that
        # one stays long. What is under way to a frozen broker has to be given up sooner, to be sent to its successor.
        consumer._client._request_timeout_ms = self.request_timeout_ms
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Fetch nothing of the changelog: it is assigned for its place among the workers, and read elsewhere."""
        changelog = [TopicPartition(*tp) for tp in assigned if self.consumer.is_changelog(tp)]
        self._ensure_consumer().pause(*changelog)
        await super().on_partitions_assigned(assigned, generation_id)

    async def _fetch_records(
        self, consumer: AIOKafkaConsumer, active_partitions: set[TP], *args: Any, **kwargs: Any
    ) -> RecordMap:
        # Faust hands over its live set, which a rebalance empties while a fetch waits: to aiokafka an empty set means
        # all partitions. The fetch would take the first records after a seek from partitions that Faust does not ask
        # for, and Faust would drop them.
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
        """Have records fetched again: the consumer went back while they were fetched, before or after they were taken.

        If before, its position is behind them; if after, it is where it went back to.
        """
        with suppress(IllegalStateError):  # the partition is not ours any more
            if await consumer.position(tp) > first:
                consumer.seek(tp, first)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to the committed offset of every partition, or to its beginning where there is none."""
        committed: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return committed

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        consumer = self._ensure_consumer()
        committed: dict[TP, int | None] = {}
        for tp in consumer.assignment():
            committed[tp] = None
            if self.consumer.is_changelog(tp):
                continue
            offset = committed[tp] = await consumer.committed(tp)
            self.consumer.offsets.went_back(ensure_TP(tp))
            # aiokafka's own call leaves a partition without a committed offset wherever it has been read to.
            if offset is None:
                await consumer.seek_to_beginning(tp)
            else:
                consumer.seek(tp, offset)
        return committed

    async def first_unstored(self) -> Mapping[TP, int]:
        """Return of every partition of the submissions the offset before which everything is stored."""
        first: Mapping[TP, int] = await self.call_thread(self._first_unstored)
        return first

    async def _first_unstored(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        tps = [ensure_TP(tp) for tp in consumer.assignment() if not self.consumer.is_changelog(ensure_TP(tp))]
        # Where nothing is at work, that is where the consumer will go on: behind the marks of transactions too.
        positions = {tp: await consumer.position(tp) for tp in tps}
        return positions | {tp: o for tp, o in self.consumer.offsets.first_unstored().items() if tp in positions}


class Consumer(driver.Consumer):
    """Commits what was marked as stored and nothing else, whatever Faust counts as acknowledged."""

    Thread: type[ConsumerThread]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.offsets: Offsets[TP] = Offsets()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return self.Thread(self, loop=self.loop, beacon=self.beacon)

    async def first_unstored(self) -> Mapping[TP, int]:
        """Return of every partition of the submissions the offset before which everything is stored.

        Raises:
            KafkaError: if a partition moves meanwhile.
        """
        return await cast("ConsumerThread", self._thread).first_unstored()

    def is_changelog(self, tp: TP) -> bool:
        """Return True if a partition is one of a table's changelog."""
        return tp.topic in self.app.tables.changelog_topics

    @property
    def seconds_since_heartbeat(self) -> float:
        """The seconds since the group's coordinator last confirmed that this worker is a member."""
        heartbeats: Heartbeats | None = getattr(self._thread, "heartbeats", None)
        last = heartbeats.last if heartbeats else None
        return math.inf if last is None else time.monotonic() - last

    def _to_message(self, tp: TP, record: ConsumerRecord | Poll) -> ConsumerMessage:
        if not isinstance(record, Poll):
            return super()._to_message(tp, record)
        message = super()._to_message(tp, record.records[-1])
        message.key, message.value = None, record  # type: ignore[assignment]  # typed for what Kafka delivers
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: Faust would note the offsets between two polls, for commits of its own."""

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the fetcher waits at a full queue anyway.

        Faust would fetch nothing of the partition until the queue is half empty, and sleep for a second once it does so
        with every partition.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing, as nothing was done."""

    def ack(self, message: Message) -> bool:
        """Stop waiting for a message. Faust acknowledges what failed or was skipped too: that commits nothing."""
        first, message.acked = not message.acked, True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return first

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave the changelog out of Faust's search for partitions of which nothing is fetched."""
        if not self.is_changelog(tp):
            super().verify_event_path(now, tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what was stored of partitions that go: they are read again from their committed offset."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self.offsets.revoked(tp)

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (tp for tp in self.offsets.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.offsets.next(tp)


class Producer(driver.Producer):
    """A producer with the options of the pipeline's other producers."""

    options: Mapping[str, Any]

    async def on_start(self) -> None:
        """Start the client, and look after it."""
        await super().on_start()
        watched(self.client)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**super()._settings_extra(), **self.options}

    @property
    def client(self) -> AIOKafkaProducer:
        """The client itself, which sends batches."""
        return self._ensure_producer()

    async def mend(self, error: BaseException | None) -> None:
        """Go on with another client if a send has failed with an error after which this one is of no more use."""
        if not any(isinstance(one, PRODUCER_BROKEN) for one in (error, getattr(error, "__cause__", None))):
            return
        broken, fresh = self.client, self._new_producer()
        try:
            await fresh.start()
        except KafkaError as failed:
            # The next attempt fails like this one, and comes here again.
            log.warning("the producer cannot be replaced", error=repr(failed))
            await fresh.stop()
            return
        log.warning("replacing the producer", error=repr(error))
        self._producer = watched(fresh)
        self.add_future(broken.stop())


def sending(app: AppT, tell: Callable[[RetryCallState], None] = lambda _: None, **options: Any) -> AsyncRetrying:
    """Give attempts to send something until it is acknowledged, each with a client that can send.

    Args:
        app: whose producer sends.
        tell: is told of an attempt that failed.
        options: of tenacity, when to try again and when no more.
    """

    async def prepare(state: RetryCallState) -> None:
        tell(state)
        await cast("Producer", app.producer).mend(state.outcome.exception() if state.outcome else None)

    may_pass = retry_if_exception_type((KafkaError, ProducerSendError))
    return AsyncRetrying(retry=may_pass, before_sleep=prepare, **options)


def credentials(settings: Settings) -> Credentials | None:
    """Return what Faust gives its clients, to have them speak to Kafka as all others do."""
    options = client_options(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" not in options:
        return SSLCredentials(context) if context is not None else None
    return SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
        mechanism=options["sasl_mechanism"],
    )


def new_transport(app: AppT, settings: Settings) -> driver.Transport:
    """Return the transport of a worker."""

    class ConfiguredThread(ConsumerThread):
        wait_ms = fetch_max_wait_ms(settings, 50)
        # A join is answered when the members that are gone have missed their session.
        request_timeout_ms = int(max(5.0, 1.5 * settings.session_timeout) * 1000)

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
