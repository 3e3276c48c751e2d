"""The rows of a recording's parts, by their numbers: the first sample of a chunk, or a minute."""

from collections.abc import Iterator

from shared.messages.recordings import CHUNK, part_key, parts_prefix
from stream_agents.table.rocksdb import Store


def parts(store: Store, partition: int, recording_id: bytes, kind: str, numbers: range) -> Iterator[bytes]:
    """Yield the rows of a kind with these numbers, in order; the chunk before them may have some of the samples, too.

    Raises:
        KeyError: if the partition is not open here.
    """
    begin, end = (part_key(recording_id, kind, number) for number in (numbers.start, numbers.stop))
    of_kind = parts_prefix(recording_id, kind)
    before = store.last_key(partition, of_kind, begin) if kind == CHUNK else None
    for key in store.keys_from(partition, of_kind, before or begin):
        if key >= end:
            return
        if (row := store.get_row(partition, key)) is not None:
            yield row
