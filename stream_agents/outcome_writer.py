"""The writing of outcomes: forwarded records and dead letters first, then rows, then the erasures of users."""

import asyncio

from faust.types import AppT

from shared.kafka.topics import Topics
from stream_agents.processing.batch_processor import Outcomes
from stream_agents.processing.outcomes import Erased, Misplaced, Rejected, Row, Stored, UserErased, row_of
from stream_agents.rerouting import Rerouting
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.user_erasure import erase_parts, erase_user


class OutcomeWriter:
    """Writes the outcomes of a batch to Kafka and the table."""

    def __init__(self, app: AppT, topics: Topics, table: InsightsTable) -> None:
        self._table = table
        self._chunks = topics.chunks.name
        self._rerouting = Rerouting(app, topics)

    async def write(self, outcomes: Outcomes) -> None:
        """Write outcomes; when this returns they are durable.

        Raises:
            KafkaError: if the broker does not acknowledge a record.
            ProducerSendError: likewise.
        """
        sent = [
            await self._rerouting.send(record, outcome)
            for record, outcome in outcomes
            if isinstance(outcome, Misplaced | Rejected)
        ]
        await asyncio.gather(*sent)
        # Only the last row of each key in a batch is stored. The row of a recording is stored after those of its parts:
        # its offset means that they are there.
        rows: dict[tuple[int, bytes], Row] = {}
        for record, outcome in outcomes:
            if (row := row_of(outcome)) is None:
                continue
            for each in (*(row.parts if isinstance(row, Stored) else ()), row):
                rows.pop((record.partition, each.key), None)
                rows[record.partition, each.key] = each
        await self._table.store((partition, row) for (partition, _), row in rows.items())
        for record, outcome in outcomes:
            recordings = record.topic == self._chunks
            if isinstance(outcome, UserErased):
                await erase_user(self._table, outcome.username, record.partition, record.offset, recordings=recordings)
            elif recordings and isinstance(row := row_of(outcome), Erased):
                await erase_parts(self._table, record.partition, row.key, record.offset)
