"""The worker's local copy of the table: one RocksDB per partition, with the rows and the index of each user's ECGs."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import rocksdict
from aiokafka.structs import ConsumerRecord
from faust.stores import rocksdb
from faust.types import EventT

from stream_agents import index
from stream_agents.processing import Erased, Stored
from stream_agents.transport import polled

# Of the table's memory, what is written and not yet in a file.
_WRITE_BUFFERS = 1 / 2
_BLOOM_BITS = 10
# Of one partition; each holds some kilobytes outside the cache.
_OPEN_FILES = 64
_SIZES = ("estimate-num-keys", "total-sst-files-size", "cur-size-all-mem-tables")


class _Options(rocksdb.RocksDBOptions):
    """Options of databases that share their memory: it has one limit, however many partitions or rows there are.

    Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition, and hold the index and the
    filter of every file beside them.
    """

    def __init__(self, memory: int) -> None:
        super().__init__(use_rocksdict=True)
        self._cache = rocksdict.Cache(memory)
        # What is written and not yet in a file counts as part of the cache.
        self._write_buffers = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(
            int(_WRITE_BUFFERS * memory), allow_stall=False, cache=self._cache
        )

    def as_options(self) -> rocksdict.Options:
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


class Store(rocksdb.Store):
    """A RocksDB store that is read and written by explicit partition.

    Faust's own accessors take the partition from the event that is being processed; here rows are
    written in batches over several partitions, and read by queries that belong to no event.
    """

    _ending: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, memory: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rocksdb_options = _Options(memory)

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Write changelog records; end the worker if that fails.

        Faust would log the error and go on: a worker with a full disk would keep partitions that it can't recover.
        """
        by_partition: dict[int, list[ConsumerRecord]] = defaultdict(list)
        for event in batch:
            by_partition[event.message.partition].extend(polled(event))
        try:
            for partition, records in by_partition.items():
                self._apply(partition, records)
        except Exception as error:
            self._ending = self._ending or asyncio.create_task(self.app.crash(error))
            raise

    def _apply(self, partition: int, records: list[ConsumerRecord]) -> None:
        db = self._db_for_partition(partition)
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        before: dict[bytes, bytes | None] = {}
        for record in records:
            key, row = record.key, record.value
            old = before[key] if key in before else db.get(key)
            before[key] = row
            if old is not None and (entry := index.key_of(old)):
                batch.delete(entry)
            if row is None:
                batch.delete(key)
                continue
            batch.put(key, row)
            if entry := index.key_of(row):
                batch.put(entry, b"")
        batch.put(self.offset_key, str(records[-1].offset).encode())
        db.write(batch)

    def holds(self, partition: int) -> bool:
        """Tell whether the partition is open here."""
        return partition in self._dbs

    @property
    def partitions(self) -> list[int]:
        """The partitions that are open here."""
        return list(self._dbs)

    def compact(self, partition: int) -> None:
        """Write a partition's files anew, without what was replaced or deleted."""
        if (db := self._dbs.get(partition)) is not None:
            db.flush()
            db.compact_range(None, None)

    def get_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None where there is none.

        Raises:
            KeyError: if the partition is not open here.
        """
        row: bytes | None = self._dbs[partition].get(key)
        return row

    def keys_from(self, partition: int, prefix: bytes, begin: bytes) -> Iterator[bytes]:
        """Yield the keys with a prefix, in order, from one on.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys = self._dbs[partition].iter()
        keys.seek(begin)
        while keys.valid() and (key := keys.key()).startswith(prefix):
            yield key
            keys.next()

    def size(self, partition: int) -> tuple[int, int]:
        """Return about how many rows a partition has, and the bytes that they take in files and in memory.

        Raises:
            KeyError: if the partition is not open here.
        """
        keys, *sizes = (self._dbs[partition].property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        # Every row has a key in the index too.
        return keys // 2, sum(sizes)

    def put_rows(self, partition: int, rows: Iterable[Stored | Erased], offset: int | None) -> None:
        """Write rows, their keys in the index, and the changelog offset up to which all is here, atomically.

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
        if offset is not None:
            batch.put(self.offset_key, str(offset).encode())
        self._dbs[partition].write(batch)
