"""The worker's local copy of the table: one RocksDB per partition."""

from collections.abc import Iterable
from typing import Any

import rocksdict
from faust.stores import rocksdb

MIB = 1024 * 1024

# Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition.
OPTIONS = {"block_cache_size": 16 * MIB, "write_buffer_size": 8 * MIB, "max_write_buffer_number": 2}


class Store(rocksdb.Store):
    """A RocksDB store that is read and written by explicit partition.

    Faust's own accessors take the partition from the event that is being processed; here rows are
    written in batches over several partitions, and read by queries that belong to no event.
    """

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
