"""Pages of a user's list, merged from the indexes of several partitions."""

import heapq
from collections.abc import Iterator, Sequence

from shared.worker_protocol.listing import Position, Query
from stream_agents.table import owner_index
from stream_agents.table.rocksdb import Store

# Ends a page of large rows early, because a gateway holds a page of every worker at a time.
_PAGE_BYTES = 1 << 20


def page(store: Store, query: Query, partitions: Sequence[int]) -> tuple[list[bytes], bool]:
    """Return a user's first rows after a position in these partitions, in order, and True if others follow.

    Raises:
        KeyError: if a partition is not open here.
    """
    rows: list[bytes] = []
    size = 0
    prefix = owner_index.owner(query.username, recordings=query.recordings)
    for _, row in heapq.merge(*(rows_of(store, partition, prefix, query.after) for partition in partitions)):
        if len(rows) == query.limit or size > _PAGE_BYTES:
            return rows, True
        rows.append(row)
        size += len(row)
    return rows, False


def rows_of(
    store: Store, partition: int, prefix: bytes, after: Position | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows of an owner's prefix in a partition after a position, in order, each with its key in the index.

    Raises:
        KeyError: if the partition is not open here.
    """
    for entry in store.keys_from(partition, prefix, owner_index.first_after(prefix, after)):
        row = store.get_row(partition, owner_index.ecg_id(entry, prefix))
        # The row decides: the index may still hold the key of a row that was replaced.
        if row is not None and owner_index.key_of(row) == entry:
            yield entry, row
