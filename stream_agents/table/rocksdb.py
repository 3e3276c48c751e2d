"""The worker's local copy of the table: one RocksDB per partition, with the rows and the index of each user's ECGs.

Its files are a cache of the changelog. Beside the rows stands the partition's position, the offset in the changelog
below which every record has been applied: both change in one write, and only records that follow on may move it. Files
that cannot be read, or hold rows without a position, are deleted and built anew from the changelog.
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

from stream_agents import metrics
from stream_agents.processing.processor import Erased, Stored
from stream_agents.table import owner_index

log = structlog.get_logger(__name__)

# Of the table's memory, what is written and not yet in a file.
_WRITE_BUFFERS = 1 / 2
_BLOOM_BITS = 10
# Of one partition; each holds some kilobytes outside the cache.
_OPEN_FILES = 64
_SIZES = ("estimate-num-keys", "total-sst-files-size", "cur-size-all-mem-tables")
# ECG ids and the names in the index are UTF-8, which has no such byte.
_POSITION = b"\xffposition"
# Building files anew would meet the same.
_NOT_THE_FILES = ("lock", "No space left", "Permission denied", "Too many open files", "Read-only file system")


class PositionError(Exception):
    """Records would be missing from a table."""


class _Memory:
    """The memory that all databases share: it has one limit, however many partitions or rows there are.

    Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition, and hold the index and the
    filter of every file beside them.
    """

    def __init__(self, size: int) -> None:
        self._cache = rocksdict.Cache(size)
        # What is written and not yet in a file counts as part of the cache.
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
    """A store that is read and written by explicit partition, as rows belong to no event of Faust's.

    Args:
        app: the worker's app, which ends when files turn out to be damaged.
        table: the table whose rows are stored.
        directory: where the databases are, one directory each.
        memory: the bytes of memory that all of them share.
    """

    def __init__(self, app: AppT, table: CollectionT, directory: Path, memory: int) -> None:
        super().__init__()
        self._app = app
        self._table = table
        self._directory = directory
        self._memory = _Memory(memory)
        self._open: dict[int, rocksdict.Rdict] = {}
        self._positions: dict[int, int] = {}
        # A database is not closed while its files are written anew.
        self._compacting = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Have those partitions open that are assigned to the worker, active and standby alike."""
        topic = self._table.changelog_topic.get_topic_name()
        mine = {tp.partition for tp in assigned if tp.topic == topic}
        async with self._compacting:
            for partition in self._open.keys() - mine:
                self._close(partition)
            for partition in sorted(mine - self._open.keys()):
                self.open(partition)
                await asyncio.sleep(0)

    async def on_stop(self) -> None:
        """Close all partitions."""
        async with self._compacting:
            for partition in self.partitions:
                self._close(partition)

    def open(self, partition: int) -> None:
        """Open a partition; damaged files, and those of a version whose tables could have gaps, are built anew.

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
        """Delete a partition's files, and begin again without a row."""
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
        """Write a partition's files anew, without what was replaced or deleted."""
        async with self._compacting:
            if (db := self._open.get(partition)) is not None:
                await asyncio.to_thread(_compact, db)

    def get_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None where there is none.

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
        """Yield the keys with a prefix, in order, from one on.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys = self._open[partition].iter()
        try:
            keys.seek(begin)
            while keys.valid() and (key := keys.key()).startswith(prefix):
                yield key
                keys.next()
            # An iterator that meets damage ends as if there were no more.
            keys.status()
        except Exception as error:
            self._end_if_damaged(partition, error)
            raise

    def size(self, partition: int) -> tuple[int, int]:
        """Return about how many rows a partition has, and the bytes that they take in files and in memory.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys, *sizes = (self._open[partition].property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        # Every row has a key in the index too.
        return keys // 2, sum(sizes)

    def put_rows(self, partition: int, rows: Iterable[Stored | Erased], position: int) -> None:
        """Write rows, their keys in the index, and the position after their records, atomically.

        A row that replaces another one of the same ECG has the same key in the index.

        Raises:
            KeyError: if the partition is not open here.
        """
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        for stored in rows:
            batch.put(stored.key, stored.row)
            if isinstance(stored, Erased):
                batch.delete(stored.entry)
            else:
                batch.put(stored.entry, b"")
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
        log.warning("building the table of a partition anew", partition=partition, reason=reason)
        shutil.rmtree(self._path(partition), ignore_errors=True)
        self._damage_mark(partition).unlink(missing_ok=True)

    def _end_if_damaged(self, partition: int, error: Exception) -> None:
        """End the worker if an error comes from damaged files: the next one builds them anew."""
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
