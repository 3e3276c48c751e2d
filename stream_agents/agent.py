"""The agent that turns submissions into insights."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, cast

import structlog
from faust.streams import Stream
from faust.types import TP, AppT, EventT, StreamT
from tenacity import RetryCallState, wait_exponential

from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.erasures import Erasures
from shared.security.data_keys import DataKeys
from shared.security.ids import IdIssuer
from shared.settings import Settings
from shared.tracing import Tracing
from shared.worker_protocol.listing import Position, position
from stream_agents import metrics
from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.faust_fixes.offsets import MessageLost
from stream_agents.faust_fixes.poll import Poll, poll_of, polled
from stream_agents.faust_fixes.producer import sending
from stream_agents.processing.dead_letter import dead_letter
from stream_agents.processing.outcomes import Erased, Misplaced, Outcome, Rejected, Stored, UserErased, row_of
from stream_agents.processing.processor import Processor
from stream_agents.processing.record import FORWARDED_HEADER, Headers, Record, received
from stream_agents.table import owner_pages
from stream_agents.table.insights_table import InsightsTable

log = structlog.get_logger(__name__)

# Far longer than a message takes from the consumer's thread to the agent.
_IDLE = 5.0
# How many of a user's rows are erased together.
_ERASED_AT_A_TIME = 1000


class SubmissionsAgent:
    """Stores the outcomes of submissions in order, and marks each submission as done only after that."""

    def __init__(
        self, app: AppT, settings: Settings, topics: Topics, table: InsightsTable, tracing: Tracing | None
    ) -> None:
        self._app = app
        self._topics = topics
        self._max_letter_bytes = int(topics.dlq.config["max.message.bytes"])
        self._table = table
        self._batch_size = settings.batch_size
        self._access_log = settings.access_log
        self._tracing = tracing
        self._inbox: list[EventT[Any]] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._fresh: dict[bytes, bytes] = {}
        secret = settings.secret.get_secret_value()
        self.keys = DataKeys(settings, topics)
        self._processor = Processor(
            IdIssuer(secret),
            Erasures(secret),
            self.keys,
            partitions=topics.submissions.partitions,
            max_bytes=settings.max_body_bytes,
            find_row=self._find_row,
        )

    @property
    def _consumer(self) -> Consumer:
        return cast("Consumer", self._app.consumer)

    async def run(self, stream: StreamT[Poll]) -> None:
        """Handle a stream in batches: each holds what has piled up while the previous one was stored."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store_inbox())
            async for event in cast("Stream[Poll]", stream).noack().events():
                while self._is_full():
                    self._taken.clear()
                    await self._taken.wait()
                self._inbox.append(event)
                self._arrived.set()

    def _is_full(self) -> bool:
        return sum(len(polled(event)) for event in self._inbox) >= self._batch_size

    async def _store_inbox(self) -> None:
        missing: dict[TP, int] = {}
        while True:
            try:
                async with asyncio.timeout(_IDLE):
                    await self._arrived.wait()
            except TimeoutError:
                missing = self._still_missing(missing)
                continue
            missing = {}
            self._arrived.clear()
            batch, self._inbox = self._inbox, []
            self._taken.set()
            await self.handle(batch)

    def _still_missing(self, missing: dict[TP, int]) -> dict[TP, int]:
        """Return the fetched messages that have not arrived although the agent is idle.

        Raises:
            MessageLost: if one of them had not arrived last time either.
        """
        if self._app.rebalancing:
            return {}
        now = self._consumer.offsets.first_unstored()
        if lost := now.items() & missing.items():
            raise MessageLost(f"fetched and never arrived: {sorted(lost)}")
        return now

    async def handle(self, events: list[EventT[Any]]) -> None:
        """Process a batch of events and store the outcomes."""
        begun = time.perf_counter()
        generation = self._app.consumer_generation_id
        offsets = self._consumer.offsets
        current = [event for event in events if poll_of(event).turn == offsets.turn(event.message.tp)]
        outcomes: list[tuple[Record, Outcome]] = []
        for part in _parts([received(record) for event in current for record in polled(event)]):
            if self._lacks_keys(part):
                # A key that is still unknown after this does not exist.
                await self._until_done(self.keys.catch_up, generation)
            if self._app.consumer_generation_id != generation:
                break
            processed = self._process(part)
            await self._until_done(partial(self._store, processed), generation)
            outcomes += processed
        if self._app.consumer_generation_id == generation:
            for event in current:
                poll = poll_of(event)
                offsets.stored(event.message.tp, poll.turn, poll.records[0].offset, poll.records[-1].offset)
            if current:
                _measure(outcomes, begun, min(polled(event)[0].timestamp for event in current))
                if self._access_log:
                    _tell(outcomes)
                if self._tracing:
                    _trace(self._tracing, outcomes, begun)
        for event in events:
            event.ack()

    async def _until_done(self, act: Callable[[], Awaitable[None]], generation: int) -> None:
        """Call `act`, and again after temporary errors, as long as the assignment of partitions does not change."""
        async for attempt in sending(
            self._app,
            _tell_retry,
            wait=wait_exponential(multiplier=0.1, max=5),
            # After a rebalance the partitions' owners start from the committed offsets, and process this batch again.
            stop=lambda _: self._app.consumer_generation_id != generation,
            retry_error_callback=lambda _: None,
        ):
            with attempt:
                await act()

    def _lacks_keys(self, records: list[Record]) -> bool:
        return any(not self.keys.knows(key) for record in records if (key := record.data_key) is not None)

    def _process(self, records: list[Record]) -> list[tuple[Record, Outcome]]:
        self._fresh.clear()
        outcomes = []
        for record in records:
            outcome = self._processor.process(record)
            if stored := row_of(outcome):
                self._fresh[stored.key] = stored.row
            outcomes.append((record, outcome))
        return outcomes

    def _find_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row from the current batch, or else from the table."""
        return self._fresh.get(key) or self._table.rows.get_row(partition, key)

    async def _store(self, outcomes: list[tuple[Record, Outcome]]) -> None:
        sent = [
            await self._reroute(record, outcome)
            for record, outcome in outcomes
            if isinstance(outcome, Misplaced | Rejected)
        ]
        await asyncio.gather(*sent)
        rows = ((record.partition, row_of(outcome)) for record, outcome in outcomes)
        await self._table.store((partition, row) for partition, row in rows if row is not None)
        for record, outcome in outcomes:
            if isinstance(outcome, UserErased):
                await self._erase_user(record, outcome.username)

    async def _erase_user(self, record: Record, username: str) -> None:
        """Erase a user's rows in the record's partition, some at a time, so that other work goes on."""
        after: Position | None = None
        # If the partition moves away, its new owner processes the record again.
        while self._table.rows.holds(record.partition):
            rows = self._rows_of(username, record.partition, after)
            if not rows:
                return
            after = position(rows[-1])
            # ECGs that came after the record stay.
            gone = [(record.partition, Erased.of(row, record.offset)) for row in rows if row.offset < record.offset]
            await self._table.store(gone)

    def _rows_of(self, username: str, partition: int, after: Position | None) -> list[insights.Insights]:
        found = owner_pages.rows_of(self._table.rows, partition, username, after)
        return [insights.decode(row) for _, row in itertools.islice(found, _ERASED_AT_A_TIME)]

    async def _reroute(self, record: Record, outcome: Misplaced | Rejected) -> Awaitable[Any]:
        origin = f"{record.topic}-{record.partition}-{record.offset}"
        send = self._app.producer.send
        if isinstance(outcome, Misplaced):
            topic = self._topics.submissions
            partition = partition_for(outcome.key, topic.partitions)
            headers: Headers = [*record.headers, (FORWARDED_HEADER, origin.encode())]
            return await send(topic.name, outcome.key, record.value, partition, None, cast("Any", headers))
        log.warning(
            "dead letter",
            origin=origin,
            error=outcome.error_class,
            reason=outcome.reason,
            **_request(record),
        )
        key, value, headers = dead_letter(record, outcome, self._max_letter_bytes)
        # Header values may be null, which Faust's types do not allow.
        return await send(self._topics.dlq.name, key, value, None, None, cast("Any", headers))


def _parts(records: list[Record]) -> Iterator[list[Record]]:
    """Split a batch so that each erasure is alone, because it needs everything before it in the table."""
    part: list[Record] = []
    for record in records:
        if record.is_erasure:
            if part:
                yield part
            yield [record]
            part = []
        else:
            part.append(record)
    if part:
        yield part


def _tell(outcomes: list[tuple[Record, Outcome]]) -> None:
    """Log a line for each record."""
    for record, outcome in outcomes:
        row = row_of(outcome)
        log.info(
            "processed",
            outcome=type(outcome).__name__.lower(),
            ecg_id=row.key.decode() if row else None,
            partition=record.partition,
            offset=record.offset,
            **_request(record),
        )


def _trace(tracing: Tracing, outcomes: list[tuple[Record, Outcome]], begun: float) -> None:
    """Create the span of each record, from the start of its batch until now, when it is stored."""
    since = time.time_ns() - int((time.perf_counter() - begun) * 1e9)
    for record, outcome in outcomes:
        error = outcome.error_class if isinstance(outcome, Rejected) else None
        tracing.processed(record.topic, record.partition, record.offset, record.headers, begun=since, error=error)


def _request(record: Record) -> dict[str, str]:
    return {} if (known := record.request_id) is None else {"request_id": known}


def _measure(outcomes: list[tuple[Record, Outcome]], begun: float, oldest: int) -> None:
    """Measure a batch once it is stored; `oldest` is its earliest timestamp on the topic, in milliseconds."""
    metrics.batch_seconds.observe(time.perf_counter() - begun)
    metrics.batch_ecgs.observe(len(outcomes))
    metrics.age_seconds.observe(max(0.0, time.time() - oldest / 1000))
    rest = [outcome for _, outcome in outcomes if not isinstance(outcome, Stored)]
    metrics.stored.inc(len(outcomes) - len(rest))
    for outcome in rest:
        match outcome:
            case Misplaced():
                metrics.forwarded.inc()
            case Rejected():
                metrics.dead.inc()
                metrics.dead_letters.labels(outcome.error_class).inc()
            case Erased() | UserErased():
                metrics.erasures.inc()


def _tell_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    metrics.store_retries.inc()
    log.warning("storing a batch again", attempt=state.attempt_number, error=repr(error))
