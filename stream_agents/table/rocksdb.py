"""The worker's local copy of the table: one RocksDB per partition, with the rows and the index of each user's ECGs.

The files are a cache of the changelog. They also hold the partition's position: the offset in the changelog below which
every record has been applied. Rows and position change in one write, and only records that follow without a gap may
move the position. Files that cannot be read, or that hold rows without a position, are deleted and rebuilt from the
changelog.

A row never replaces the row of a later message, because a worker that is cut off from the group may write late. The
offset of the message is stored in front of each row. If the changelog has such a late record, its key is marked, until
the owner of the partition has written the right row again (docs/decisions/0043-late-rows.md).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import rocksdict
from aiokafka.structs import ConsumerRecord
from faust.types import TP, AppT, CollectionT
from mode import Service
from typing_extensions import override

from shared.messages.insights import first_of_parts, message_offset
from shared.messages.recordings import is_part, recording_of
from stream_agents.processing.outcomes import Erased, Part, Row
from stream_agents.table import owner_index
from stream_agents.table.partition_files import POSITION, PartitionFiles
from stream_agents.table.rocksdb_memory import RocksdbMemory

_OFFSET_BYTES = 8
# The first byte of the marks of overwritten rows, and of no other key.
_MARK = b"\xfe"
_SIZES = ("estimate-num-keys", "total-sst-files-size", "cur-size-all-mem-tables")


class PositionError(Exception):
    """Applying the records would leave a gap in the table."""


class Store(Service):
    """A store that is read and written by explicit partition, because its rows do not belong to a Faust event.

    Args:
        app: the worker's app, which crashes when files turn out to be damaged.
        table: the table whose rows are stored.
        directory: the parent of the databases, which have a directory each.
        memory: the bytes of memory that all databases share.
    """

    def __init__(self, app: AppT, table: CollectionT, directory: Path, memory: int) -> None:
        super().__init__()
        self._app = app
        self._table = table
        self._files = PartitionFiles(directory, table.name, RocksdbMemory(memory))
        self._open: dict[int, rocksdict.Rdict] = {}
        self._positions: dict[int, int] = {}
        self._overwritten: dict[int, frozenset[bytes]] = {}
        # A database must not be closed during its compaction.
        self._compacting = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Open the partitions that are assigned to the worker, active and standby alike, and close all others."""
        topic = self._table.changelog_topic.get_topic_name()
        mine = {tp.partition for tp in assigned if tp.topic == topic}
        async with self._compacting:
            for partition in self._open.keys() - mine:
                self._close(partition)
            for partition in sorted(mine - self._open.keys()):
                self.open(partition)
                await asyncio.sleep(0)

    @override
    async def on_stop(self) -> None:
        """Close all partitions."""
        async with self._compacting:
            for partition in self.partitions:
                self._close(partition)

    def open(self, partition: int) -> None:
        """Open a partition. Damaged files, and rows without a position, are deleted first.

        Raises:
            Exception: RocksDB's, if the files cannot be opened for a reason that new files would not mend.
        """
        self._open[partition], self._positions[partition] = self._files.open(partition)
        marks = self.keys_from(partition, _MARK, _MARK)
        self._overwritten[partition] = frozenset(mark.removeprefix(_MARK) for mark in marks)

    def build_anew(self, partition: int, reason: str) -> None:
        """Delete a partition's files, and open it again without rows."""
        self._close(partition)
        self._files.delete(partition, reason)
        self.open(partition)

    def holds(self, partition: int) -> bool:
        """Return True if the partition is open here."""
        return partition in self._open

    @property
    def partitions(self) -> list[int]:
        """The partitions that are open here."""
        return list(self._open)

    def position(self, partition: int) -> int:
        """Return the offset in the changelog below which every record has been applied.

        Raises:
            KeyError: if the partition is not open here.
        """
        return self._positions[partition]

    async def compact(self, partition: int) -> None:
        """Rewrite a partition's files without replaced and deleted rows."""
        async with self._compacting:
            if (db := self._open.get(partition)) is not None:
                await asyncio.to_thread(_compact, db)

    def get_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None if there is none.

        Raises:
            KeyError: if the partition is not open here.
        """
        value = self._value(partition, key)
        return None if value is None else value[_OFFSET_BYTES:]

    def overwritten(self, partition: int) -> list[Part]:
        """Return the rows whose latest record in the changelog is one of an earlier message.

        Raises:
            KeyError: if the partition is not open here.
        """
        return [self._current(partition, key) for key in sorted(self._overwritten[partition])]

    def keys_from(self, partition: int, prefix: bytes, begin: bytes) -> Iterator[bytes]:
        """Yield the keys with a prefix, in order, from `begin` on.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys = self._open[partition].iter()
        try:
            keys.seek(begin)
            while keys.valid() and (key := keys.key()).startswith(prefix):
                yield key
                keys.next()
            # On damaged data the iteration just ends, and only `status` raises the error.
            keys.status()
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise

    def last_key(self, partition: int, prefix: bytes, end: bytes) -> bytes | None:
        """Return the last key up to and including `end`, or None if it lacks the prefix or does not exist.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys = self._open[partition].iter()
        try:
            keys.seek_for_prev(end)
            keys.status()
            return key if keys.valid() and (key := keys.key()).startswith(prefix) else None
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise

    def size(self, partition: int) -> tuple[int, int]:
        """Return the estimated number of rows of a partition, and their size in files and in memory, in bytes.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys, *sizes = (self._open[partition].property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        # A row also has a key in the index.
        return keys // 2, sum(sizes)

    def put_rows(self, partition: int, rows: Iterable[Row], position: int) -> list[tuple[bytes, bytes]]:
        """Write rows, their keys in the index, and the position after their records, atomically.

        Return the rows with their keys, without those of earlier messages than the rows that are there.

        A row that replaces another row of the same ECG or recording has the same key in the index.

        Raises:
            KeyError: if the partition is not open here.
        """
        changes = _Changes(partial(self._value, partition), self._overwritten[partition])
        for stored in rows:
            if not changes.put(stored.key, stored.row, stored.offset) or isinstance(stored, Part):
                continue
            owner = owner_index.owner(stored.username, recordings=stored.is_recording)
            entry = owner_index.key(owner, stored.position)
            if isinstance(stored, Erased):
                changes.batch.delete(entry)
            else:
                changes.batch.put(entry, b"")
        self._write(partition, changes, position)
        return changes.rows

    def apply(
        self, partition: int, records: Sequence[ConsumerRecord], begin: int, end: int
    ) -> list[tuple[bytes, bytes]]:
        """Write all records of the changelog between two positions, and the second position, atomically.

        Return the rows with their keys, as `put_rows` does.

        Raises:
            KeyError: if the partition is not open here.
            PositionError: if records are missing between the partition's position and the first one.
        """
        if begin > self._positions[partition]:
            raise PositionError(f"partition {partition} is at {self._positions[partition]}, records begin at {begin}")
        changes = _Changes(partial(self._value, partition), self._overwritten[partition])
        for record in records:
            key, row = record.key, record.value
            old = changes.value(key)
            if not changes.put(key, row, message_offset(record.headers)):
                continue
            if old is not None and (entry := owner_index.key_of(old[_OFFSET_BYTES:])):
                changes.batch.delete(entry)
            if row is not None and (entry := owner_index.key_of(row)):
                changes.batch.put(entry, b"")
        self._write(partition, changes, end)
        return changes.rows

    def _value(self, partition: int, key: bytes) -> bytes | None:
        """Return a row behind its offset, or None if there is none."""
        db = self._open[partition]
        try:
            value: bytes | None = db.get(key)
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise
        return value

    def _current(self, partition: int, key: bytes) -> Part:
        """Return a row with its offset, or the deletion of a part with the offset of the recording's row."""
        value = self._value(partition, key)
        recording = self._value(partition, recording_of(key)) if is_part(key) else None
        if value is None or (recording is not None and _offset(value) < _first_of_parts(recording)):
            return Part(key, None, _offset(recording))
        return Part(key, value[_OFFSET_BYTES:], _offset(value))

    def _write(self, partition: int, changes: "_Changes", position: int) -> None:
        db = self._open[partition]
        changes.batch.put(POSITION, str(position).encode())
        try:
            db.write(changes.batch)
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise
        self._positions[partition] = position
        self._overwritten[partition] = frozenset(changes.overwritten)

    def _close(self, partition: int) -> None:
        del self._positions[partition], self._overwritten[partition]
        self._open.pop(partition).close()

    def _end_if_damaged(self, partition: int, error: Exception) -> None:
        """End the worker if an error comes from damaged files; the next worker rebuilds them."""
        if "Corruption" in str(error):
            self._files.mark_damaged(partition)
            self._ending = self._ending or asyncio.create_task(self._app.crash(error))


class _Changes:
    """Changes of rows and marks, to be written at once.

    Args:
        stored: returns the value of a key before the changes.
        overwritten: the keys that are marked.
    """

    def __init__(self, stored: Callable[[bytes], bytes | None], overwritten: Iterable[bytes]) -> None:
        self.batch: Any = rocksdict.WriteBatch(raw_mode=True)
        self.overwritten = set(overwritten)
        self.rows: list[tuple[bytes, bytes]] = []
        self._stored = stored
        self._known: dict[bytes, bytes | None] = {}

    def value(self, key: bytes) -> bytes | None:
        """Return a row behind its offset, as changed so far, or None if there is none."""
        if key not in self._known:
            self._known[key] = self._stored(key)
        return self._known[key]

    def put(self, key: bytes, row: bytes | None, offset: int) -> bool:
        """Put or delete a row that comes from the message at this offset.

        If there is the row of a later message, or if it is a part of a recording that was erased since, mark the key
        and return False.
        """
        least = _offset(self.value(key))
        if is_part(key) and (recording := self.value(recording_of(key))) is not None:
            least = max(least, _first_of_parts(recording))
        if offset < least:
            self.overwritten.add(key)
            self.batch.put(_MARK + key, b"")
            return False
        if key in self.overwritten:
            self.overwritten.remove(key)
            self.batch.delete(_MARK + key)
        if row is None:
            self._known[key] = None
            self.batch.delete(key)
        else:
            self._known[key] = value = offset.to_bytes(_OFFSET_BYTES, signed=True) + row
            self.batch.put(key, value)
            self.rows.append((key, row))
        return True


def _offset(value: bytes | None) -> int:
    """Return the offset in front of a row; without a row, one that is below all others."""
    return -1 if value is None else int.from_bytes(value[:_OFFSET_BYTES], signed=True)


# Of the recordings of a batch or two.
@lru_cache(maxsize=64)
def _first_of_parts(value: bytes) -> int:
    return first_of_parts(value[_OFFSET_BYTES:])


def _compact(db: rocksdict.Rdict) -> None:
    db.flush()
    db.compact_range(None, None)
