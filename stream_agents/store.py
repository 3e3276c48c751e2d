"""The worker's local copy of the table: one RocksDB per partition."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import rocksdict
from faust.stores import rocksdb
from faust.types import EventT

MIB = 1024 * 1024

# Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition.
OPTIONS = {"block_cache_size": 16 * MIB, "write_buffer_size": 8 * MIB, "max_write_buffer_number": 2}

_SIZES = ("estimate-num-keys", "total-sst-files-size", "cur-size-all-mem-tables")


class Store(rocksdb.Store):
    """A RocksDB store that is read and written by explicit partition.

    Faust's own accessors take the partition from the event that is being processed; here rows are
    written in batches over several partitions, and read by queries that belong to no event.
    """

    _ending: asyncio.Task[None] | None = None

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Write changelog records; end the worker if that fails.

        Faust would log the error and go on: a worker with a full disk would keep partitions that it can't recover.
        """
        try:
            super().apply_changelog_batch(batch, to_key, to_value)
        except Exception as error:
            self._ending = self._ending or asyncio.create_task(self.app.crash(error))
            raise

    def holds(self, partition: int) -> bool:
        """Tell whether the partition is open here."""
        return partition in self._dbs

    def get_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row, or None where there is none.

        Raises:
            KeyError: if the partition is not open here.
        """
        row: bytes | None = self._dbs[partition].get(key)
        return row

    def size(self, partition: int) -> tuple[int, int]:
        """Return about how many rows a partition has, and the bytes that they take in files and in memory.

        Raises:
            KeyError: if the partition is not open here.
        """
        rows, *sizes = (self._dbs[partition].property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        return rows, sum(sizes)

    def put_rows(self, partition: int, rows: Iterable[tuple[bytes, bytes]], offset: int | None) -> None:
        """Write rows, and with them the changelog offset up to which the partition is complete, atomically.

        Raises:
            KeyError: if the partition is not open here.
        """
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        for key, row in rows:
            batch.put(key, row)
        if offset is not None:
            batch.put(self.offset_key, str(offset).encode())
        self._dbs[partition].write(batch)
