"""The erasure of a user's rows in a partition of the table."""

import itertools

from shared.messages import insights
from shared.worker_protocol.listing import Position, position
from stream_agents.processing.outcomes import Erased
from stream_agents.table import owner_pages
from stream_agents.table.insights_table import InsightsTable

# How many of a user's rows are erased together.
_ERASED_AT_A_TIME = 1000


async def erase_user(table: InsightsTable, username: str, partition: int, offset: int) -> None:
    """Erase a user's rows that came before a record at this offset, some at a time, so that other work goes on."""
    after: Position | None = None
    # If the partition moves away, its new owner processes the record again.
    while table.rows.holds(partition):
        rows = _rows_of(table, username, partition, after)
        if not rows:
            return
        after = position(rows[-1])
        # ECGs that came after the record stay.
        gone = [(partition, Erased.of(row, offset)) for row in rows if row.offset < offset]
        await table.store(gone)


def _rows_of(table: InsightsTable, username: str, partition: int, after: Position | None) -> list[insights.Insights]:
    found = owner_pages.rows_of(table.rows, partition, username, after)
    return [insights.decode(row) for _, row in itertools.islice(found, _ERASED_AT_A_TIME)]
