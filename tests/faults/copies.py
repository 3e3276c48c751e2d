"""Comparison of each worker's local copy of the table with the changelog, without the workers' own code."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import orjson
import rocksdict
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.kafka.topics import Topics
from tests.support.pipeline import Pipeline, Worker

_POSITION = b"\xffnext"
# An index entry begins with a zero byte, or with a one for a recording; its time counts down from the end of the year
# 9999.
_ECG, _RECORDING = b"\0", b"\1"
# A row of a part of a recording, such as a minute, is in no index; its key has a slash.
_PART = b"/"
_LAST_MS = 253_402_300_799_999
# A mark says that a record of an earlier message came later than the row.
_MARK = b"\xfe"
# In a copy, the offset of the message stands in front of a row.
_OFFSET_BYTES = 8
_SHOWN = 5

Records: TypeAlias = list[tuple[int, int, bytes | None]]
"""A key's records in order: offset, the offset of the message, and row or tombstone."""


@dataclass
class Changelog:
    """All records of the insights topic, by partition and key; each read goes on where the last one ended."""

    pipeline: Pipeline
    records: dict[int, dict[bytes, Records]] = field(default_factory=dict)
    _positions: dict[TopicPartition, int] = field(default_factory=dict)

    async def read_on(self) -> None:
        """Read the records since the last call, up to the current end of the topic."""
        topic = Topics(self.pipeline.settings).insights
        tps = [TopicPartition(topic.name, partition) for partition in range(topic.partitions)]
        async with AIOKafkaConsumer(**self.pipeline.kafka, enable_auto_commit=False) as consumer:
            consumer.assign(tps)
            begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
            for tp in tps:
                consumer.seek(tp, self._positions.get(tp, begins[tp]))
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                    of_partition = self.records.setdefault(tp.partition, defaultdict(list))
                    for record in records:
                        message = int(dict(record.headers)["message-offset"])
                        of_partition[record.key].append((record.offset, message, record.value))
            self._positions = {tp: await consumer.position(tp) for tp in tps}

    def overwritten(self) -> list[bytes]:
        """Return the keys whose last record is not the one that counts: compaction would keep the wrong one."""
        return [
            key
            for keys in self.records.values()
            for key, records in keys.items()
            if records[-1:] != _that_count(key, keys)[-1:]
        ]

    def ids_of(self, username: str) -> set[str]:
        """Return the ids of all rows of this user."""
        rows = (orjson.loads(r[-1][2] or b"{}") for keys in self.records.values() for r in keys.values())
        return {row["ecg_id"] for row in rows if row.get("username") == username}


@dataclass
class Comparison:
    """The number of copies compared, and the faults by copy."""

    copies: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)

    @property
    def gaps(self) -> int:
        """The number of rows and index entries that are missing, stale or superfluous, in all copies."""
        return sum(map(len, self.faults.values()))

    def __str__(self) -> str:
        return f"{self.gaps} in {len(self.faults)} of {self.copies} copies" if self.gaps else f"0 in {self.copies}"

    def details(self) -> str:
        """Return the first faults of each copy, one per line."""
        return "\n".join(f"{copy}: {fault}" for copy, found in self.faults.items() for fault in found[:_SHOWN])


async def compare(workers: Sequence[Worker], changelog: Changelog) -> Comparison:
    """Compare the copies of stopped workers with the changelog, which must have been read before."""
    comparison = Comparison()
    for worker in workers:
        for partition, path in copies(worker).items():
            rows = await asyncio.to_thread(_read, path)
            comparison.copies += 1
            if found := faults(rows, changelog.records.get(partition, {})):
                comparison.faults[f"{worker.name}, partition {partition}"] = found
    return comparison


def copies(worker: Worker) -> dict[int, Path]:
    """Return the RocksDB directories of the worker's copies by partition."""
    directories = Path(worker.env["ECG_DATA_DIR"]).rglob("insights-*.db")
    # A directory without this file is not a database: not yet, or no longer.
    found = [path for path in directories if (path / "CURRENT").exists()]
    return {int(path.stem.rpartition("-")[2]): path for path in sorted(found)}


def open_copies(worker: Worker) -> set[Path]:
    """Return the directories of the copies that a running worker has opened."""
    found = set()
    with suppress(FileNotFoundError):
        for link in Path(f"/proc/{worker.running.pid}/fd").iterdir():
            # The worker may close files meanwhile.
            with suppress(FileNotFoundError):
                file = link.readlink()
                if file.name == "LOCK":
                    found.add(file.parent)
    return found


def position_of(copy: Mapping[bytes, bytes]) -> int | None:
    """Return the copy's position: the offset below which it claims to have every record of the changelog, or None."""
    position = copy.get(_POSITION)
    return None if position is None else int(position)


def faults(copy: Mapping[bytes, bytes], changelog: Mapping[bytes, Records]) -> list[str]:
    """Return the rows and index entries that are missing, stale or superfluous in a copy, as of its position.

    Records beyond the position may already be applied: a row is right if it is that of the key's last record below the
    position, or of any record beyond it.
    """
    if (position := position_of(copy)) is None:
        return ["rows without a position"] if copy else []
    others = (_ECG, _RECORDING, _MARK)
    rows = {key: row[_OFFSET_BYTES:] for key, row in copy.items() if key != _POSITION and not key.startswith(others)}
    found = [f"{key!r} is not in the changelog" for key in rows.keys() - changelog.keys()]
    for key, records in changelog.items():
        below = [row for offset, _, row in _that_count(key, changelog) if offset < position]
        beyond = [row for offset, _, row in records if offset >= position]
        if rows.get(key) not in [*(below[-1:] or [None]), *beyond]:
            state = "stale" if key in rows else "missing"
            found.append(f"{key!r} is {state}: offsets {[offset for offset, *_ in records]}, position {position}")
    entries = {key for key in copy if key.startswith((_ECG, _RECORDING))}
    expected = {entry for key, row in rows.items() if _PART not in key and (entry := _entry(row))}
    found += [f"index entry {entry!r} is missing" for entry in expected - entries]
    found += [f"index entry {entry!r} has no row" for entry in entries - expected]
    return found


def _that_count(key: bytes, changelog: Mapping[bytes, Records]) -> Records:
    """Return a key's records without those that come from an earlier message than a record before them.

    A part of a recording that was erased, or began again, does not count either if its message came before.
    """
    of_recording = changelog.get(key.partition(_PART)[0], []) if _PART in key else []
    found: Records = []
    newest = -1
    for offset, message, row in changelog[key]:
        newest = max(newest, *(_first_of_parts(row) for at, _, row in of_recording if row and at < offset), -1)
        if message >= newest:
            found.append((offset, message, row))
            newest = message
    return found


def _first_of_parts(row: bytes) -> int:
    """Return the offset of the message from which on a recording with this row has parts."""
    fields = orjson.loads(row)
    first: int = fields["offset"] if fields.get("erased") else fields["recording"].get("begun", -1)
    return first


def _entry(row: bytes) -> bytes | None:
    """Return the index entry of a row, or None if its ECG or recording is erased."""
    fields = orjson.loads(row)
    if not fields["username"]:
        return None
    username, ecg_id, accepted = fields["username"], fields["ecg_id"], fields.get("accepted", 0)
    kind = _RECORDING if "recording" in fields else _ECG
    entry: bytes = kind + username.encode() + b"\0" + (_LAST_MS - accepted).to_bytes(8) + ecg_id.encode()
    return entry


def _read(path: Path) -> dict[bytes, bytes]:
    options = rocksdict.Options(raw_mode=True)
    db = rocksdict.Rdict(str(path), options=options, access_type=rocksdict.AccessType.read_only())
    try:
        return dict(cast("Iterable[tuple[bytes, bytes]]", iter(db.items())))
    finally:
        db.close()
