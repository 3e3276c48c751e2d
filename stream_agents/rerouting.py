"""The sending of records that are not stored: to the partition of their key, or to the dead letters."""

from collections.abc import Awaitable
from typing import Any, cast

import structlog
from faust.types import AppT

from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.messages.headers import FORWARDED_HEADER
from stream_agents.processing.dead_letter import dead_letter
from stream_agents.processing.outcomes import Misplaced, Rejected
from stream_agents.processing.record import Headers, Record

log = structlog.get_logger(__name__)


class Rerouting:
    """Forwards misplaced records and sends dead letters, with Faust's producer."""

    def __init__(self, app: AppT, topics: Topics) -> None:
        self._app = app
        self._partitions = topics.submissions.partitions
        self._dead_letters = topics.dlq.name
        self._max_letter_bytes = int(topics.dlq.config["max.message.bytes"])

    async def send(self, record: Record, outcome: Misplaced | Rejected) -> Awaitable[Any]:
        """Send a record to the topic of its outcome; await the result for the broker's acknowledgement."""
        origin = f"{record.topic}-{record.partition}-{record.offset}"
        send = self._app.producer.send
        if isinstance(outcome, Misplaced):
            partition = partition_for(outcome.key, self._partitions)
            headers: Headers = [*record.headers, (FORWARDED_HEADER, origin.encode())]
            return await send(record.topic, outcome.key, record.value, partition, None, cast("Any", headers))
        log.warning(
            "dead letter",
            origin=origin,
            error=outcome.error_class,
            reason=outcome.reason,
            **record.log_fields,
        )
        key, value, headers = dead_letter(record, outcome, self._max_letter_bytes)
        # Header values may be null, which Faust's types do not allow.
        return await send(self._dead_letters, key, value, None, None, cast("Any", headers))
