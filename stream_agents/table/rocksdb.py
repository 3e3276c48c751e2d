"""The worker's local copy of the table: one RocksDB per partition, with the rows and the index of each user's ECGs.

The files are a cache of the changelog. They also hold the partition's position: the offset in the changelog below which
every record has been applied. Rows and position change in one write, and only records that follow without a gap may
move the position. Files that cannot be read, or that hold rows without a position, are deleted and rebuilt from the
changelog.
"""

import asyncio
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import rocksdict
import structlog
from aiokafka.structs import ConsumerRecord
from faust.types import TP, AppT, CollectionT
from mode import Service
from typing_extensions import override

from stream_agents import metrics
from stream_agents.processing.outcomes import Erased, Row
from stream_agents.table import owner_index

log = structlog.get_logger(__name__)

# The share of the table's memory for writes that are not in a file yet.
_WRITE_BUFFERS = 1 / 2
_BLOOM_BITS = 10
# Per partition; each open file takes some kilobytes outside the cache.
_OPEN_FILES = 64
_SIZES = ("estimate-num-keys", "total-sst-files-size", "cur-size-all-mem-tables")
# Unlike any other key: an ECG id is ASCII, and a key of the index begins with a zero byte.
_POSITION = b"\xffposition"
# Errors that new files would not mend.
_NOT_THE_FILES = ("lock", "No space left", "Permission denied", "Too many open files", "Read-only file system")


class PositionError(Exception):
    """Applying the records would leave a gap in the table."""


class _Memory:
    """The memory that all databases share, with one limit however many partitions or rows there are.

    Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition, and hold the index and the
    filter of every file in addition.
    """

    def __init__(self, size: int) -> None:
        self._cache = rocksdict.Cache(size)
        # The write buffers are charged to the cache.
        self._write_buffers = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(
            int(_WRITE_BUFFERS * size), allow_stall=False, cache=self._cache
        )

    def options(self) -> rocksdict.Options:
        """Return the options of a database."""
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        blocks.set_bloom_filter(_BLOOM_BITS, block_based=False)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_max_open_files(_OPEN_FILES)
        options.set_block_based_table_factory(blocks)
        return options


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
        self._directory = directory
        self._memory = _Memory(memory)
        self._open: dict[int, rocksdict.Rdict] = {}
        self._positions: dict[int, int] = {}
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
        """Open a partition; damaged files, and rows without a position (an earlier version's), are deleted first.

        Raises:
            Exception: RocksDB's, if the files cannot be opened for a reason that new files would not mend.
        """
        path = self._path(partition)
        if self._damage_mark(partition).exists():
            self._delete(partition, "damaged files")
        try:
            db = self._opened(path)
        except Exception as error:
            if any(reason in str(error) for reason in _NOT_THE_FILES):
                raise
            self._delete(partition, str(error))
            db = self._opened(path)
        position = db.get(_POSITION)
        if position is None and _holds_something(db):
            db.close()
            self._delete(partition, "rows without a position")
            db, position = self._opened(path), None
        self._open[partition] = db
        self._positions[partition] = int(position or 0)

    def build_anew(self, partition: int, reason: str) -> None:
        """Delete a partition's files, and open it again without rows."""
        self._close(partition)
        self._delete(partition, reason)
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
        db = self._open[partition]
        try:
            row: bytes | None = db.get(key)
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise
        return row

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

    def size(self, partition: int) -> tuple[int, int]:
        """Return the estimated number of rows of a partition, and their size in files and in memory, in bytes.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys, *sizes = (self._open[partition].property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        # A row also has a key in the index.
        return keys // 2, sum(sizes)

    def put_rows(self, partition: int, rows: Iterable[Row], position: int) -> None:
        """Write rows, their keys in the index, and the position after their records, atomically.

        A row that replaces another row of the same ECG has the same key in the index.

        Raises:
            KeyError: if the partition is not open here.
        """
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        for stored in rows:
            batch.put(stored.key, stored.row)
            entry = owner_index.key(stored.username, stored.position)
            if isinstance(stored, Erased):
                batch.delete(entry)
            else:
                batch.put(entry, b"")
        self._write(partition, batch, position)

    def apply(self, partition: int, records: Sequence[ConsumerRecord], begin: int, end: int) -> None:
        """Write all records of the changelog between two positions, and the second position, atomically.

        Raises:
            KeyError: if the partition is not open here.
            PositionError: if records are missing between the partition's position and the first one.
        """
        if begin > self._positions[partition]:
            raise PositionError(f"partition {partition} is at {self._positions[partition]}, records begin at {begin}")
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        before: dict[bytes, bytes | None] = {}
        for record in records:
            key, row = record.key, record.value
            old = before[key] if key in before else self.get_row(partition, key)
            before[key] = row
            if old is not None and (entry := owner_index.key_of(old)):
                batch.delete(entry)
            if row is None:
                batch.delete(key)
                continue
            batch.put(key, row)
            if entry := owner_index.key_of(row):
                batch.put(entry, b"")
        self._write(partition, batch, end)

    def _write(self, partition: int, batch: Any, position: int) -> None:
        db = self._open[partition]
        batch.put(_POSITION, str(position).encode())
        try:
            db.write(batch)
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise
        self._positions[partition] = position

    def _opened(self, path: Path) -> rocksdict.Rdict:
        path.parent.mkdir(parents=True, exist_ok=True)
        return rocksdict.Rdict(str(path), options=self._memory.options())

    def _close(self, partition: int) -> None:
        del self._positions[partition]
        self._open.pop(partition).close()

    def _delete(self, partition: int, reason: str) -> None:
        metrics.tables_built_anew.inc()
        log.warning("rebuilding the table of a partition", partition=partition, reason=reason)
        shutil.rmtree(self._path(partition), ignore_errors=True)
        self._damage_mark(partition).unlink(missing_ok=True)

    def _end_if_damaged(self, partition: int, error: Exception) -> None:
        """End the worker if an error comes from damaged files; the next worker rebuilds them."""
        if "Corruption" in str(error):
            self._damage_mark(partition).touch()
            self._ending = self._ending or asyncio.create_task(self._app.crash(error))

    def _path(self, partition: int) -> Path:
        return self._directory / f"{self._table.name}-{partition}.db"

    def _damage_mark(self, partition: int) -> Path:
        return self._directory / f"{self._table.name}-{partition}.damaged"


def _holds_something(db: rocksdict.Rdict) -> bool:
    keys = db.iter()
    keys.seek_to_first()
    return bool(keys.valid())


def _compact(db: rocksdict.Rdict) -> None:
    db.flush()
    db.compact_range(None, None)
