"""Writing the audit. Except for refusals, no request is answered before its event is acknowledged."""

import asyncio
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError

from ingest_api import metrics
from ingest_api.http.errors import Unavailable
from ingest_api.kafka.publisher import Publisher
from shared.kafka.topics import Topics
from shared.logging_setup import request_id
from shared.messages.audit import Action, AuditEvent, AuditRecord, encode
from shared.settings import Settings

log = structlog.get_logger(__name__)

# With the longest names and ids, these take 700 KB. A topic takes records of up to 1 MB.
_EVENTS_IN_A_RECORD = 500
# Events that wait to be written. The requests of further ones are refused at once.
_MOST_WAITING = 10_000
# Records under way at the same time. aiokafka sends a broker all that has gathered in one request, and the next request
# when that is answered: events that waited in here until then would miss it, and wait for a second one.
_UNDER_WAY = 8
# The next record waits only this long for one of these, whose partition may have a frozen leader.
_PATIENCE_SECONDS = 0.05
# How long an event may wait if no answer depends on it: all such events of that time make one record.
_LATER_SECONDS = 1.0

_Waiting = tuple[AuditEvent, asyncio.Future[bool]]


class AuditWriter:
    """Writes events to the topic, several in one record if they arrive close together.

    The events of a turn of the event loop make a record; while many records are under way, so do all that arrive. A
    single event is thus sent at once, and many cost little more than one. See docs/decisions/0019-audit.md.
    """

    def __init__(self, settings: Settings, topics: Topics, publisher: Publisher) -> None:
        self.on = settings.audit
        self._timeout = settings.query_timeout
        self._topic = topics.audit.name
        self._publisher = publisher
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Write the waiting events, and stop."""
        if self._writing:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._later is not None:
            self._later.cancel()
        while group := self._next():
            self._begin(group)
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def note(
        self, action: Action, username: str, ecg_id: str | None = None, who: str | None = None
    ) -> asyncio.Future[bool]:
        """Have an event written, and return a future: True if the event is acknowledged, False if it is not.

        Cancelling the future withdraws the event, unless it is under way.

        Args:
            action: the action.
            username: the user whose data it is.
            ecg_id: the ECG, if the action is about a single one.
            who: the actor, if that is not the user.
        """
        written = self._add(action, username, ecg_id, who)
        if not written.done():
            self._arrived.set()
        return written

    def note_later(self, action: Action, username: str, ecg_id: str, who: str) -> None:
        """Have an event written within a second, with all others until then, so that no answer's time reveals it."""
        self._add(action, username, ecg_id, who)
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_LATER_SECONDS, self._write_later)

    async def record(self, action: Action, username: str, ecg_id: str | None = None, who: str | None = None) -> None:
        """Write an event, and return when it is acknowledged. The arguments are those of `note`.

        Raises:
            Unavailable: if it is not acknowledged in time. The request must fail then.
        """
        if not self.on:
            return
        try:
            async with asyncio.timeout(self._timeout):
                acknowledged = await self.note(action, username, ecg_id, who)
        except TimeoutError:
            acknowledged = False
        if not acknowledged:
            raise Unavailable("The audit record could not be written, try again", missing="broker")

    def _add(self, action: Action, username: str, ecg_id: str | None, who: str | None) -> asyncio.Future[bool]:
        written = asyncio.get_running_loop().create_future()
        if not self.on:
            written.set_result(True)
        elif len(self._waiting) >= _MOST_WAITING:
            written.set_result(False)
        else:
            event = AuditEvent(datetime.now(UTC), action, who or username, username, ecg_id, request_id.get())
            self._waiting.append((event, written))
        return written

    def _write_later(self) -> None:
        self._later = None
        self._arrived.set()

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while group := self._next():
                self._begin(group)
                if len(self._under_way) >= _UNDER_WAY:
                    await asyncio.wait(self._under_way, timeout=_PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, group: list[_Waiting]) -> None:
        writing = asyncio.create_task(self._publish(group))
        self._under_way.add(writing)
        writing.add_done_callback(self._under_way.discard)

    def _next(self) -> list[_Waiting]:
        """Take the next events that were not withdrawn."""
        waiting = [(event, written) for event, written in self._waiting if not written.done()]
        self._waiting = waiting[_EVENTS_IN_A_RECORD:]
        return waiting[:_EVENTS_IN_A_RECORD]

    async def _publish(self, group: list[_Waiting]) -> None:
        acknowledged = False
        try:
            value = encode(AuditRecord([event for event, _ in group]))
            await self._publisher.publish(
                self._topic, value, None, durations=metrics.audits, failures=metrics.audit_failures
            )
            acknowledged = True
        except KafkaError as error:
            log.warning("events were not written to the audit", events=len(group), error=repr(error))
        finally:
            for _, written in group:
                if not written.done():
                    written.set_result(acknowledged)
