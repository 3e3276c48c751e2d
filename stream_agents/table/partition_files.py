"""The files of the table: a RocksDB database for each partition, which is deleted if it is damaged.

A database also holds its partition's position, which tells up to where it follows the changelog.
"""

import shutil
from pathlib import Path

import rocksdict
import structlog

from stream_agents import metrics
from stream_agents.table.rocksdb_memory import RocksdbMemory

log = structlog.get_logger(__name__)

POSITION = b"\xffnext"
"""The key of a partition's position. ECG ids are ASCII, and keys of the index begin with a zero byte or a one: it is
neither. Earlier versions had another key, so that their files are deleted."""

# Errors that new files would not mend.
_NOT_THE_FILES = (
    "lock file",
    "lock hold",
    "No space left",
    "Permission denied",
    "Too many open files",
    "Read-only file system",
)


class PartitionFiles:
    """Opens and deletes the databases of partitions.

    Args:
        directory: the parent of the databases, which have a directory each.
        name: the prefix of the names of these directories.
        memory: the memory that all databases share.
    """

    def __init__(self, directory: Path, name: str, memory: RocksdbMemory) -> None:
        self._directory = directory
        self._name = name
        self._memory = memory

    def open(self, partition: int) -> tuple[rocksdict.Rdict, int]:
        """Return a partition's database and position. Damaged files, and rows without a position, are deleted first.

        Raises:
            Exception: RocksDB's, if the files cannot be opened for a reason that new files would not mend.
        """
        if self._damage_mark(partition).exists():
            self.delete(partition, "damaged files")
        try:
            return self._opened(partition)
        except Exception as error:
            if any(reason in str(error) for reason in _NOT_THE_FILES):
                raise
            self.delete(partition, str(error))
            return self._opened(partition)

    def delete(self, partition: int, reason: str) -> None:
        """Delete the files of a partition, which is not open."""
        metrics.tables_built_anew.inc()
        log.warning("rebuilding the table of a partition", partition=partition, reason=reason)
        shutil.rmtree(self._path(partition), ignore_errors=True)
        self._damage_mark(partition).unlink(missing_ok=True)

    def mark_damaged(self, partition: int) -> None:
        """Have the files of a partition deleted before they are opened again."""
        self._damage_mark(partition).touch()

    def _opened(self, partition: int) -> tuple[rocksdict.Rdict, int]:
        path = self._path(partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        db = rocksdict.Rdict(str(path), options=self._memory.options())
        try:
            return db, _position(db)
        except BaseException:
            db.close()
            raise

    def _path(self, partition: int) -> Path:
        return self._directory / f"{self._name}-{partition}.db"

    def _damage_mark(self, partition: int) -> Path:
        return self._directory / f"{self._name}-{partition}.damaged"


def _position(db: rocksdict.Rdict) -> int:
    position = db.get(POSITION)
    if position is None and _holds_something(db):
        raise ValueError("rows without a position, as an earlier version wrote them")
    return int(position or 0)


def _holds_something(db: rocksdict.Rdict) -> bool:
    keys = db.iter()
    keys.seek_to_first()
    # On damaged data there just is no first key, and only `status` raises the error.
    keys.status()
    return bool(keys.valid())
