"""The rows of a recording's parts, by their numbers: the first sample of a chunk, a minute, or an hour."""

import heapq
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

from shared.messages.recordings import CHUNK, part_key, parts_prefix
from stream_agents.table.rocksdb import Store


def parts(
    store: Store,
    partition: int,
    recording_id: bytes,
    kind: str,
    numbers: range,
    *,
    waiting: Mapping[bytes, bytes] = MappingProxyType({}),
) -> Iterator[bytes]:
    """Yield the rows of parts of a kind with these numbers, in order.

    For chunks, the row before them comes first, because its samples may extend into the range.

    Args:
        store: the store of the table.
        partition: the partition of the recording.
        recording_id: the recording's id, as in the key of its row.
        kind: the kind of the parts.
        numbers: the numbers of the parts.
        waiting: rows by key that are not stored yet; they take precedence over those of the store.

    Raises:
        KeyError: if the partition is not open here.
    """
    begin, end = (part_key(recording_id, kind, number) for number in (numbers.start, numbers.stop))
    of_kind = parts_prefix(recording_id, kind)
    new = sorted(key for key in waiting if key.startswith(of_kind) and key < end)
    if kind == CHUNK:
        before = [store.last_key(partition, of_kind, begin), *(key for key in new if key <= begin)]
        begin = max((key for key in before if key is not None), default=begin)
    stored = store.keys_from(partition, of_kind, begin)
    for key, _ in groupby(heapq.merge(stored, (key for key in new if key >= begin))):
        if key >= end:
            return
        row = waiting[key] if key in waiting else store.get_row(partition, key)
        if row is not None:
            yield row
