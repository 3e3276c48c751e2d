"""The agent that turns submissions, and chunks of recordings, into insights."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import structlog
from faust.streams import Stream
from faust.types import AppT, EventT, StreamT
from tenacity import RetryCallState, wait_exponential

from shared.data_keys import DataKeys
from stream_agents import metrics
from stream_agents.batch_report import BatchReport
from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.faust_fixes.lost_messages import ArrivalCheck
from stream_agents.faust_fixes.poll import Poll, poll_of, polled
from stream_agents.faust_fixes.producer import sending
from stream_agents.inbox import Inbox
from stream_agents.originals import Originals
from stream_agents.outcome_writer import OutcomeWriter
from stream_agents.processing.batch_processor import BatchProcessor, Outcomes, parts
from stream_agents.processing.chunk_processor import NOTHING, Lacking
from stream_agents.processing.record import Record, received

log = structlog.get_logger(__name__)

# Far longer than a message takes from the consumer's thread to the agent.
_IDLE = 5.0


class SubmissionsAgent:
    """Stores the outcomes of submissions in order, and marks each submission as done only after that."""

    def __init__(
        self,
        app: AppT,
        inbox: Inbox,
        keys: DataKeys,
        *,
        processor: BatchProcessor,
        originals: Originals,
        writer: OutcomeWriter,
        report: BatchReport,
    ) -> None:
        self._app = app
        self._inbox = inbox
        self._keys = keys
        self._processor = processor
        self._originals = originals
        self._writer = writer
        self._report = report
        self._arrivals = ArrivalCheck(app)
        # One, because records are processed in order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="insights")

    async def run(self, stream: StreamT[Poll]) -> None:
        """Handle a stream in batches: each holds what has piled up while the previous one was stored."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._handle_batches())
            async for event in cast("Stream[Poll]", stream).noack().events():
                await self._inbox.put(event)

    async def _handle_batches(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_IDLE):
                    batch = await self._inbox.take()
            except TimeoutError:
                self._arrivals.idle()
            else:
                self._arrivals.arrived()
                await self.handle(batch)

    async def handle(self, events: list[EventT[Any]]) -> None:
        """Process a batch of events and store the outcomes."""
        begun = time.perf_counter()
        generation = self._app.consumer_generation_id
        offsets = cast("Consumer", self._app.consumer).offsets
        current = [event for event in events if poll_of(event).turn == offsets.turn(event.message.tp)]
        outcomes: Outcomes = []
        for part in parts([received(record) for event in current for record in polled(event)]):
            # A recomputation is alone in its part.
            if part[0].is_recomputation:
                await self._until_done(partial(self._replace_recomputations, part), generation)
            if self._processor.lacks_keys(part):
                # A key that is still unknown after this does not exist.
                await self._until_done(self._keys.catch_up, generation)
            if self._app.consumer_generation_id != generation:
                break
            processed = await self._compute(part, generation)
            if self._app.consumer_generation_id != generation:
                break
            await self._until_done(partial(self._writer.write, processed), generation)
            outcomes += processed
        if current and self._app.consumer_generation_id == generation:
            for event in current:
                poll = poll_of(event)
                offsets.stored(event.message.tp, poll.turn, poll.records[0].offset, poll.records[-1].offset)
            self._report.stored(outcomes, begun, oldest=min(polled(event)[0].timestamp for event in current))
        for event in events:
            event.ack()

    async def _replace_recomputations(self, part: list[Record]) -> None:
        part[:] = await self._originals.in_place(part)

    async def _compute(self, part: list[Record], generation: int) -> Outcomes:
        """Compute the outcomes of records in another thread, so that the event loop serves queries meanwhile.

        They are incomplete if the assignment of partitions changes.
        """
        rows = self._processor.stored_rows(part)
        loop = asyncio.get_running_loop()
        outcomes: Outcomes = []
        earlier = NOTHING

        async def read(lacking: Lacking) -> None:
            nonlocal earlier
            earlier = await self._originals.earlier(lacking, rows)

        while len(outcomes) < len(part) and self._app.consumer_generation_id == generation:
            rest = part[len(outcomes) :]
            processed = await loop.run_in_executor(self._thread, self._processor.process, rest, rows, earlier)
            outcomes += processed.outcomes
            earlier = NOTHING
            if processed.lacking is not None:
                await self._until_done(partial(read, processed.lacking), generation)
        return outcomes

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


def _tell_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    metrics.store_retries.inc()
    log.warning("storing a batch again", attempt=state.attempt_number, error=repr(error))
