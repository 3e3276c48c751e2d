"""Pages of a user's list, read from the index of several partitions at a time."""

import heapq
from collections.abc import Iterator, Sequence

from shared.listing import Query
from stream_agents import index
from stream_agents.store import Store

# A page of rows with a thousand leads each ends early: a gateway holds a page of every worker at a time.
_PAGE_BYTES = 1 << 20


def page(store: Store, query: Query, partitions: Sequence[int]) -> tuple[list[bytes], bool]:
    """Return the first rows of a user after a position in these partitions, in order, and whether there are more.

    Raises:
        KeyError: if a partition is not open here.
    """
    rows: list[bytes] = []
    size = 0
    for _, row in heapq.merge(*(_rows(store, partition, query) for partition in partitions)):
        if len(rows) == query.limit or size > _PAGE_BYTES:
            return rows, True
        rows.append(row)
        size += len(row)
    return rows, False


def _rows(store: Store, partition: int, query: Query) -> Iterator[tuple[bytes, bytes]]:
    prefix = index.owner(query.username)
    for entry in store.keys_from(partition, prefix, index.first_after(query.username, query.after)):
        row = store.get_row(partition, index.ecg_id(entry, prefix))
        # The row decides: what the index said before a row was replaced counts for nothing.
        if row is not None and index.key_of(row) == entry:
            yield entry, row
