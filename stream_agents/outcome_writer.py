"""The writing of outcomes: forwarded records and dead letters first, then rows, then the erasures of users."""

import asyncio

from faust.types import AppT

from shared.kafka.topics import Topics
from stream_agents.processing.batch_processor import Outcomes
from stream_agents.processing.outcomes import Misplaced, Rejected, UserErased, row_of
from stream_agents.rerouting import Rerouting
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.user_erasure import erase_user


class OutcomeWriter:
    """Writes the outcomes of a batch to Kafka and the table."""

    def __init__(self, app: AppT, topics: Topics, table: InsightsTable) -> None:
        self._table = table
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
        rows = ((record.partition, row_of(outcome)) for record, outcome in outcomes)
        await self._table.store((partition, row) for partition, row in rows if row is not None)
        for record, outcome in outcomes:
            if isinstance(outcome, UserErased):
                await erase_user(self._table, outcome.username, record.partition, record.offset)
