"""The erasure of a user's rows in a partition of the table, and of the parts of recordings."""

import itertools

from shared.messages import insights
from shared.messages.recordings import parts_prefix
from shared.worker_protocol.listing import Position, position
from stream_agents.processing.outcomes import Erased, Part
from stream_agents.table import owner_index, owner_pages
from stream_agents.table.insights_table import InsightsTable

# How many rows are erased together.
_ERASED_AT_A_TIME = 1000


async def erase_user(table: InsightsTable, username: str, partition: int, offset: int, *, recordings: bool) -> None:
    """Erase a user's ECGs, or recordings, that came before a record at this offset in their topic's partition.

    It erases some at a time, so that other work goes on.
    """
    prefix = owner_index.owner(username, recordings=recordings)
    after: Position | None = None
    # If the partition moves away, its new owner processes the record again. A copy that stays here is not written to.
    while table.owns(partition):
        rows = _rows_of(table, prefix, partition, after)
        if not rows:
            return
        after = position(rows[-1])
        # What came after the record stays.
        gone = [Erased.of(row, offset) for row in rows if row.offset < offset]
        # The parts first: what is in the list will be found again.
        for erased in gone if recordings else ():
            await erase_parts(table, partition, erased.key)
        await table.store((partition, erased) for erased in gone)


async def erase_parts(table: InsightsTable, partition: int, recording_id: bytes) -> None:
    """Delete the rows of a recording's parts, as long as the partition does not move away, as `erase_user` does."""
    prefix = parts_prefix(recording_id)
    while table.owns(partition):
        keys = list(itertools.islice(table.rows.keys_from(partition, prefix, prefix), _ERASED_AT_A_TIME))
        if not keys:
            return
        await table.store((partition, Part(key, None)) for key in keys)


def _rows_of(table: InsightsTable, prefix: bytes, partition: int, after: Position | None) -> list[insights.Insights]:
    found = owner_pages.rows_of(table.rows, partition, prefix, after)
    return [insights.decode(row) for _, row in itertools.islice(found, _ERASED_AT_A_TIME)]
