"""Pages of a user's list, read from the index of several partitions at a time."""

import heapq
from collections.abc import Iterator, Sequence

from shared.worker_protocol.listing import Position, Query
from stream_agents.table import owner_index
from stream_agents.table.rocksdb import Store

# A page of rows with a thousand leads each ends early: a gateway holds a page of every worker at a time.
_PAGE_BYTES = 1 << 20


def page(store: Store, query: Query, partitions: Sequence[int]) -> tuple[list[bytes], bool]:
    """Return the first rows of a user after a position in these partitions, in order, and whether there are more.

    Raises:
        KeyError: if a partition is not open here.
    """
    rows: list[bytes] = []
    size = 0
    for _, row in heapq.merge(*(rows_of(store, partition, query.username, query.after) for partition in partitions)):
        if len(rows) == query.limit or size > _PAGE_BYTES:
            return rows, True
        rows.append(row)
        size += len(row)
    return rows, False


def rows_of(
    store: Store, partition: int, username: str, after: Position | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield a user's rows in a partition, each with its key in the index, in order, from a position on.

    Raises:
        KeyError: if the partition is not open here.
    """
    prefix = owner_index.owner(username)
    for entry in store.keys_from(partition, prefix, owner_index.first_after(username, after)):
        row = store.get_row(partition, owner_index.ecg_id(entry, prefix))
        # The row decides: what the index said before a row was replaced counts for nothing.
        if row is not None and owner_index.key_of(row) == entry:
            yield entry, row
