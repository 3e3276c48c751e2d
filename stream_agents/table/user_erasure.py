"""The erasure of a user's rows in a partition of the table, and of the parts of recordings."""

import itertools

from shared.messages import insights
from shared.messages.recordings import parts_prefix
from shared.worker_protocol.listing import Position, position
from stream_agents.processing.outcomes import Erased, Part
from stream_agents.table import owner_index, owner_pages
from stream_agents.table.insights_table import InsightsTable

# Rows that are erased together.
_ERASED_AT_A_TIME = 1000


async def erase_user(table: InsightsTable, username: str, partition: int, offset: int, *, recordings: bool) -> None:
    """Erase a user's ECGs, or recordings, whose last record is before this offset in their topic's partition.

    They are erased in batches, so that other work goes on meanwhile.
    """
    prefix = owner_index.owner(username, recordings=recordings)
    after: Position | None = None
    # If the partition moves to another worker, that worker processes the record again. A standby here is not written.
    while table.owns(partition):
        rows = _rows_of(table, prefix, partition, after)
        if not rows:
            return
        after = position(rows[-1])
        # ECGs and recordings with later messages stay.
        gone = [Erased.of(row, offset) for row in rows if row.offset < offset]
        # The parts first: after a crash, the recording is still in the list, and is erased again.
        for erased in gone if recordings else ():
            await erase_parts(table, partition, erased.key, offset)
        await table.store((partition, erased) for erased in gone)
        # Parts that a worker that was cut off has written meanwhile. From now on, the row keeps them out.
        for erased in gone if recordings else ():
            await erase_parts(table, partition, erased.key, offset)


async def erase_parts(table: InsightsTable, partition: int, recording_id: bytes, offset: int) -> None:
    """Delete the rows of a recording's parts for an erasure at this offset; stop if the partition moves away."""
    prefix = begin = parts_prefix(recording_id)
    while table.owns(partition):
        keys = list(itertools.islice(table.rows.keys_from(partition, prefix, begin), _ERASED_AT_A_TIME))
        if not keys:
            return
        # Parts of later messages stay.
        begin = keys[-1] + b"\0"
        await table.store((partition, Part(key, None, offset)) for key in keys)


def _rows_of(table: InsightsTable, prefix: bytes, partition: int, after: Position | None) -> list[insights.Insights]:
    found = owner_pages.rows_of(table.rows, partition, prefix, after)
    return [insights.decode(row) for _, row in itertools.islice(found, _ERASED_AT_A_TIME)]
