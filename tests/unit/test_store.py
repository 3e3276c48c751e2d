"""The worker's local copy of the table: rows, and the index of each user's ECGs."""

import asyncio
import itertools
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import rocksdict

from shared.kafka.topics import Topics
from shared.messages import insights
from shared.messages.insights import Insights
from shared.messages.recordings import CHUNK, MINUTE, Progress, part_key
from shared.settings import Settings
from shared.worker_protocol import listing
from shared.worker_protocol.listing import Position, Query
from stream_agents.app import create_app
from stream_agents.outcome_writer import OutcomeWriter
from stream_agents.processing.outcomes import Erased, Part, Rejected, Stored
from stream_agents.processing.record import Record
from stream_agents.rerouting import Rerouting
from stream_agents.table import owner_index
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.recording_parts import parts
from stream_agents.table.rocksdb import PositionError, Store
from stream_agents.table.user_erasure import erase_parts, erase_user

PARTITION = 3
SETTINGS = Settings.model_validate({"secret": "s" * 32})


@pytest.fixture
def table(tmp_path: Path) -> InsightsTable:
    app = create_app(SETTINGS.model_copy(update={"data_dir": tmp_path}))
    table = cast("InsightsTable", app.tables["insights"])
    table.rows.open(PARTITION)
    return table


def recover(store: Store, changes: Sequence[tuple[str, Insights | None]]) -> None:
    """Apply records as recovery and standbys apply those of the changelog."""
    apply(store, [(ecg_id.encode(), None if row is None else insights.encode(row)) for ecg_id, row in changes])


def apply(store: Store, records: Sequence[tuple[bytes, bytes | None]], offset: int = 0) -> None:
    """Apply records that come from the message at an offset."""
    begin = store.position(PARTITION)
    headers = [(insights.MESSAGE_OFFSET_HEADER, str(offset).encode())]
    polled = [SimpleNamespace(key=key, value=value, headers=headers) for key, value in records]
    store.apply(PARTITION, cast("Any", polled), begin, begin + len(polled))


def listed(table: InsightsTable, username: str = "u", limit: int = 200, after: Position | None = None) -> list[str]:
    page = listing.decode_page(table.page(Query(username, [PARTITION], limit, after), [PARTITION]))
    return [row.ecg_id for row in page.rows]


def entries(table: InsightsTable) -> list[bytes]:
    return list(table.rows.keys_from(PARTITION, b"\0", b"\0"))


def row(ecg_id: str, accepted: int, username: str = "u") -> Insights:
    return Insights(ecg_id, username, accepted=accepted)


def test_stored_and_recovered_rows_are_listed_alike(table: InsightsTable, tmp_path: Path) -> None:
    rows = [row(f"e{number}", random.Random(number).randint(0, 20)) for number in range(50)]
    recover(table.rows, [(found.ecg_id, found) for found in rows])
    recovered = listed(table), entries(table)
    assert recovered[0] == [found.ecg_id for found in sorted(rows, key=lambda r: listing.position(r).rank)]
    table.rows.put_rows(PARTITION, map(Stored.of, rows), 50)
    assert (listed(table), entries(table)) == recovered
    assert table.rows.position(PARTITION) == 50


def test_a_row_that_comes_again_is_listed_once_and_a_tombstone_removes_it(table: InsightsTable) -> None:
    recover(table.rows, [("a", row("a", 1)), ("b", row("b", 2)), ("a", row("a", 1))])
    assert listed(table) == ["b", "a"]
    recover(table.rows, [("b", None), ("unknown", None)])
    assert (listed(table), len(entries(table))) == (["a"], 1)
    assert table.find(PARTITION, b"b") is None
    assert table.rows.position(PARTITION) == 5
    recover(table.rows, [("c", row("c", 3)), ("c", None)])
    assert (listed(table), len(entries(table))) == (["a"], 1)


def test_a_row_that_moves_leaves_no_entry_behind(table: InsightsTable) -> None:
    """For example, an erased id is used again, perhaps by another user."""
    recover(table.rows, [("a", row("a", 1))])
    recover(table.rows, [("a", row("a", 5)), ("a", row("a", 7, "other"))])
    assert (listed(table), listed(table, "other"), len(entries(table))) == ([], ["a"], 1)


def test_an_index_entry_that_disagrees_with_its_row_is_not_listed(table: InsightsTable) -> None:
    moved = Stored.of(row("a", 5))
    table.rows.put_rows(PARTITION, [Stored.of(row("a", 1)), moved], 2)
    assert (listed(table), len(entries(table))) == (["a"], 2)


def test_an_invalid_row_is_accepted_and_not_listed(table: InsightsTable) -> None:
    apply(table.rows, [(b"a", b"?"), (b"b", insights.encode(row("b", 1))), (b"a", b"??"), (b"a", None)])
    assert listed(table) == ["b"]


def test_users_whose_names_begin_alike_have_lists_of_their_own(table: InsightsTable) -> None:
    names = ["u", "u2", "uu", "u u", "ü"]
    recover(table.rows, [(f"of-{i}", row(f"of-{i}", 1, name)) for i, name in enumerate(names)])
    assert [listed(table, name) for name in names] == [[f"of-{i}"] for i in range(len(names))]


def test_a_page_ends_at_its_limit_or_its_size_and_goes_on_from_its_last_row(table: InsightsTable) -> None:
    leads = [{"name": "x" * 100_000}]
    recover(table.rows, [(f"e{i:02}", Insights(f"e{i:02}", "u", leads, accepted=1)) for i in range(30)])
    seen: list[str] = []
    after, more = None, True
    while more:
        page = listing.decode_page(table.page(Query("u", [PARTITION], 200, after), [PARTITION]))
        assert page.rows
        assert len(page.rows) < 15
        seen += [found.ecg_id for found in page.rows]
        after, more = listing.position(page.rows[-1]), page.more
    assert seen == [f"e{i:02}" for i in range(30)]
    page = listing.decode_page(table.page(Query("u", [PARTITION, 4], 2), [PARTITION, 4]))
    # Partitions that are not open here are left out.
    assert (page.partitions, len(page.rows), page.more) == ([PARTITION], 2, True)


async def test_an_erased_row_leaves_the_list_and_the_files(table: InsightsTable, tmp_path: Path) -> None:
    """One row is erased by this worker, the other by another worker, whose erasure is read from the changelog."""
    # Random, so that the text is not changed by compression in the files.
    leads = {ecg_id: random.Random(ecg_id).randbytes(16).hex() for ecg_id in "abc"}
    here, elsewhere, stays = (Insights(ecg_id, f"user-{ecg_id}", [{"name": lead}]) for ecg_id, lead in leads.items())
    recover(table.rows, [(found.ecg_id, found) for found in (here, elsewhere, stays)])
    await table.rows.compact(PARTITION)
    assert files_with(tmp_path, leads["a"]), "or this test proves nothing"
    table.rows.put_rows(PARTITION, [Erased.of(here, 7)], 4)
    recover(table.rows, [("b", insights.erased(elsewhere, 8))])
    assert [listed(table, f"user-{ecg_id}") for ecg_id in "abc"] == [[], [], ["c"]]
    assert len(entries(table)) == 1
    await table.rows.compact(PARTITION)
    assert [bool(files_with(tmp_path, lead)) for lead in leads.values()] == [False, False, True]
    assert table.rows.get_row(PARTITION, b"a") == insights.encode(insights.erased(here, 7))


def test_records_after_a_gap_are_never_applied(table: InsightsTable) -> None:
    recover(table.rows, [("a", row("a", 1))])
    beyond = [SimpleNamespace(key=b"c", value=insights.encode(row("c", 3)), headers=[])]
    with pytest.raises(PositionError, match="partition 3 is at 1, records begin at 2"):
        table.rows.apply(PARTITION, cast("Any", beyond), 2, 3)
    assert (listed(table), table.rows.position(PARTITION)) == (["a"], 1)


def shorten(files: Path) -> None:
    [sst] = files.glob("*.sst")
    sst.write_bytes(sst.read_bytes()[:100])


def overwrite(files: Path) -> None:
    """Damage the only block of data, which RocksDB does not read when it opens the file."""
    [sst] = files.glob("*.sst")
    with sst.open("r+b") as file:
        file.write(bytes(20))


def remove(pattern: str) -> Callable[[Path], None]:
    def damage(files: Path) -> None:
        for file in files.glob(pattern):
            file.unlink()

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "an SST cut short": shorten,
    "an SST with a damaged block": overwrite,
    "no SST": remove("*.sst"),
    "no CURRENT": remove("CURRENT"),
    "no MANIFEST": remove("MANIFEST*"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damaged_files_are_rebuilt(table: InsightsTable, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    recover(table.rows, [("a", row("a", 1))])
    await table.rows.compact(PARTITION)
    await table.rows.on_stop()
    [files] = tmp_path.rglob("insights-3.db")
    damage(files)
    table.rows.open(PARTITION)
    assert (listed(table), table.rows.position(PARTITION)) == ([], 0), "it is read from the changelog's beginning"
    recover(table.rows, [("a", row("a", 1))])
    assert listed(table) == ["a"]


async def test_files_that_somebody_has_open_are_not_deleted(table: InsightsTable) -> None:
    recover(table.rows, [("a", row("a", 1))])
    for _ in range(2):
        with pytest.raises(Exception, match="lock"):
            table.rows.open(PARTITION)
    assert listed(table) == ["a"]


async def test_damage_found_later_ends_the_worker_and_the_next_one_rebuilds_the_files(
    table: InsightsTable, tmp_path: Path
) -> None:
    recover(table.rows, [(f"e{i}", Insights(f"e{i}", "u", [{"name": "x" * 5000}])) for i in range(100)])
    await table.rows.compact(PARTITION)
    await table.rows.on_stop()
    [sst] = tmp_path.rglob("*.sst")
    size = sst.stat().st_size
    with sst.open("r+b") as file:
        file.seek(size // 10)
        file.write(bytes(size // 2))
    table.rows.open(PARTITION)
    with pytest.raises(Exception, match="Corruption"):
        recover(table.rows, [(f"e{i}", None) for i in range(100)])
    with pytest.raises(Exception, match="Corruption"):
        listed(table)
    await asyncio.sleep(0)
    assert "Corruption" in str(table.app.crash_reason)
    await table.rows.on_stop()
    table.rows.open(PARTITION)
    assert (listed(table), table.rows.position(PARTITION)) == ([], 0)


async def test_rows_without_a_position_are_rebuilt(table: InsightsTable, tmp_path: Path) -> None:
    """An earlier version stored rows without a position."""
    await table.rows.on_stop()
    [files] = tmp_path.rglob("insights-3.db")
    shutil.rmtree(files)
    earlier = rocksdict.Rdict(str(files), rocksdict.Options(raw_mode=True))
    earlier[b"a"] = insights.encode(row("a", 1))
    earlier[b"__faust\0offset__"] = b"7"
    earlier.close()
    table.rows.open(PARTITION)
    assert (table.find(PARTITION, b"a"), table.rows.position(PARTITION)) == (None, 0)


def files_with(directory: Path, text: str) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_row_never_replaces_that_of_a_later_message(table: InsightsTable) -> None:
    """As a worker writes it that was cut off from the group."""
    late = [(b"e", insights.encode(row("e", 1))), (b"f", insights.encode(row("f", 1)))]
    recover(table.rows, [("e", row("e", 1)), ("f", row("f", 1))])
    table.rows.put_rows(PARTITION, [Erased.of(row("e", 1), 7), Stored.of(changed := dated(row("f", 1), 8))], 4)
    assert table.rows.overwritten(PARTITION) == []
    apply(table.rows, late, offset=6)
    assert (listed(table), entries(table)) == (["f"], [entry_of("f", 1)])
    assert table.find(PARTITION, b"f") == insights.encode(changed)
    assert [part.key for part in table.rows.overwritten(PARTITION)] == [b"e", b"f"]
    # By this worker itself too: another one had come further before it was cut off.
    table.rows.put_rows(PARTITION, [Stored.of(dated(row("f", 1), 7))], table.rows.position(PARTITION) + 1)
    assert table.find(PARTITION, b"f") == insights.encode(changed)


def test_an_overwritten_row_is_known_until_it_is_written_again(table: InsightsTable) -> None:
    table.rows.put_rows(PARTITION, [Stored.of(dated(row("e", 1), 7))], 1)
    recover(table.rows, [("e", row("e", 1))])
    reopen(table)
    [again] = table.rows.overwritten(PARTITION)
    assert (again.key, again.row, again.offset) == (b"e", table.find(PARTITION, b"e"), 7)
    apply(table.rows, [(again.key, again.row)], again.offset)
    assert table.rows.overwritten(PARTITION) == []
    reopen(table)
    assert (table.rows.overwritten(PARTITION), listed(table)) == ([], ["e"])


def test_no_part_of_an_erased_recording_comes_back(table: InsightsTable) -> None:
    recording = msgspec.structs.replace(row("r", 3), recording=Progress(), offset=5)
    part = Part(part_key(b"r", MINUTE, 0), b"{}", 5)
    table.rows.put_rows(PARTITION, [part, Stored.of(recording)], 2)
    table.rows.put_rows(PARTITION, [Part(part.key, None, 9), Erased.of(recording, 9)], 4)
    apply(table.rows, [(part.key, b"late")], offset=8)
    assert table.find(PARTITION, part.key) is None
    assert table.rows.overwritten(PARTITION) == [Part(part.key, None, 9)]
    apply(table.rows, [(part.key, None)], offset=9)
    assert table.rows.overwritten(PARTITION) == []


def test_a_part_that_an_erasure_left_behind_is_deleted_when_it_is_overwritten(table: InsightsTable) -> None:
    key = part_key(b"r", MINUTE, 0)
    again = msgspec.structs.replace(row("r", 3), recording=Progress(begun=9), offset=9)
    table.rows.put_rows(PARTITION, [Part(key, b"{}", 5), Stored.of(again)], 2)
    apply(table.rows, [(key, b"late")], offset=6)
    [part] = table.rows.overwritten(PARTITION)
    assert part == Part(key, None, 9)
    apply(table.rows, [(part.key, part.row)], part.offset)
    assert (table.rows.overwritten(PARTITION), table.find(PARTITION, key)) == ([], None)


async def test_parts_of_later_messages_are_not_erased(table: InsightsTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker had come further before it was cut off: the recording began again after its erasure."""
    early, late = (Part(part_key(b"r", MINUTE, number), b"{}", 8 * number) for number in (0, 1))
    table.rows.put_rows(PARTITION, [early, late], 2)
    calls = itertools.count(1)

    async def store(rows: Sequence[tuple[int, Any]]) -> None:
        assert next(calls) < 10
        batch = [each for _, each in rows]
        table.rows.put_rows(PARTITION, batch, table.rows.position(PARTITION) + len(batch))

    monkeypatch.setattr(table, "store", store)
    monkeypatch.setattr(table, "owns", lambda _: True)
    await erase_parts(table, PARTITION, b"r", 7)
    assert [table.find(PARTITION, part.key) for part in (early, late)] == [None, b"{}"]


def dated(found: Insights, offset: int) -> Insights:
    return msgspec.structs.replace(found, offset=offset)


def entry_of(ecg_id: str, accepted: int) -> bytes:
    return owner_index.key(owner_index.owner("u"), Position(accepted, ecg_id))


def reopen(table: InsightsTable) -> None:
    table.rows._close(PARTITION)
    table.rows.open(PARTITION)


def test_recordings_have_a_list_of_their_own(table: InsightsTable) -> None:
    recording = msgspec.structs.replace(row("r", 3), recording=Progress())
    table.rows.put_rows(PARTITION, [Stored.of(row("a", 1)), Stored.of(recording)], 2)
    recover(table.rows, [("s", msgspec.structs.replace(row("s", 4), recording=Progress(settled=5)))])
    asked = Query("u", [PARTITION], 200, recordings=True)
    page = listing.decode_page(table.page(asked, [PARTITION]))
    assert ([found.ecg_id for found in page.rows], listed(table)) == (["s", "r"], ["a"])
    table.rows.put_rows(PARTITION, [Erased.of(recording, 7)], 4)
    assert [found.ecg_id for found in listing.decode_page(table.page(asked, [PARTITION])).rows] == ["s"]


def test_parts_of_a_recording_are_found_by_their_numbers_and_are_in_no_list(table: InsightsTable) -> None:
    stored = [
        Part(part_key(recording_id, kind, number), f"{recording_id.decode()} {kind} {number}".encode(), 0)
        for recording_id in (b"r", b"r-2")
        for kind in (CHUNK, MINUTE)
        for number in (0, 10, 300)
    ]
    table.rows.put_rows(PARTITION, [Stored.of(row("r", 1)), *stored], 13)

    def found(kind: str, first: int, end: int) -> list[bytes]:
        return list(parts(table.rows, PARTITION, b"r", kind, range(first, end)))

    assert found(CHUNK, 0, 400) == [b"r c 0", b"r c 10", b"r c 300"]
    assert found(CHUNK, 5, 11) == [b"r c 0", b"r c 10"]
    assert found(CHUNK, 10, 300) == [b"r c 10"]
    assert found(CHUNK, 299, 301) == [b"r c 10", b"r c 300"]
    assert (found(MINUTE, 301, 400), found(MINUTE, 10, 301)) == ([], [b"r m 10", b"r m 300"])
    assert (listed(table), len(entries(table))) == (["r"], 1)
    apply(table.rows, [(stored[0].key, None)])
    table.rows.put_rows(PARTITION, [Part(stored[1].key, None, 0)], 15)
    assert found(CHUNK, 0, 400) == [b"r c 300"]


@pytest.mark.parametrize("moves_away", [False, True])
async def test_parts_are_erased_only_as_long_as_the_partition_is_not_somebody_elses(
    table: InsightsTable, monkeypatch: pytest.MonkeyPatch, *, moves_away: bool
) -> None:
    """A worker that goes on would write to the changelog for ever, and erase what the new owner has stored since."""
    recording = msgspec.structs.replace(row("r", 1), recording=Progress())
    stored = [Part(part_key(b"r", CHUNK, number), b"{}", 0) for number in range(1500)]
    table.rows.put_rows(PARTITION, [Stored.of(recording), *stored], 1501)
    mine, sent = {table.changelog_tp(PARTITION)}, list[int]()

    async def store(rows: Sequence[tuple[int, Any]]) -> None:
        batch = [each for _, each in rows]
        sent.append(len(batch))
        assert len(sent) < 10
        if moves_away:
            mine.clear()
        else:
            table.rows.put_rows(PARTITION, batch, table.rows.position(PARTITION) + len(batch))

    monkeypatch.setattr(table, "store", store)
    monkeypatch.setattr(table.app.assignor, "assigned_actives", lambda: mine)
    await erase_parts(table, PARTITION, b"r", 7)
    assert sent == ([1000] if moves_away else [1000, 500])
    await erase_user(table, "u", PARTITION, 7, recordings=True)
    assert sent == ([1000] if moves_away else [1000, 500, 1])


async def test_parts_that_a_dead_worker_left_are_erased_with_a_recording_whose_key_is_destroyed(
    table: InsightsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died before it stored the recording's first row, so that nothing else leads to them."""
    table.rows.put_rows(PARTITION, [Part(part_key(b"r", MINUTE, 0), b"{}", 0)], 1)

    async def store(rows: Sequence[tuple[int, Any]]) -> None:
        batch = [each for _, each in rows]
        table.rows.put_rows(PARTITION, batch, table.rows.position(PARTITION) + len(batch))

    async def send(*_: Any) -> Any:
        return asyncio.sleep(0)

    monkeypatch.setattr(table, "store", store)
    monkeypatch.setattr(table, "owns", lambda _: True)
    monkeypatch.setattr(Rerouting, "send", send)
    topics = Topics(SETTINGS)
    record = Record(topics.chunks.name, PARTITION, 7, b"r", b"sealed", [], 0)
    lost = Rejected("KeyDestroyed", "", Erased.of(msgspec.structs.replace(row("r", 1), recording=Progress()), 7))
    await OutcomeWriter(table.app, topics, table).write([(record, lost)])
    assert list(parts(table.rows, PARTITION, b"r", MINUTE, range(9))) == []
