"""The comparison of copies with the changelog finds every kind of gap, and no others."""

from typing import Any, cast

import orjson
import pytest

from tests.faults.copies import Changelog, Records, faults

POSITION = b"\xffnext"


def row(ecg_id: str, accepted: int = 5, username: str = "clinic") -> bytes:
    return orjson.dumps({"ecg_id": ecg_id, "username": username, "accepted": accepted})


def entry(ecg_id: str, accepted: int = 5, kind: bytes = b"\0") -> bytes:
    return kind + b"clinic\0" + (253_402_300_799_999 - accepted).to_bytes(8) + ecg_id.encode()


RECORDING = orjson.dumps({"ecg_id": "r", "username": "clinic", "accepted": 5, "recording": {"settled": 9, "begun": 4}})
CHUNK, MINUTE = b"r/c0000000000000000", b"r/m0000000000000000"


CHANGELOG: dict[bytes, Records] = {
    b"a": [(0, 0, row("a")), (3, 3, row("a", 6))],
    b"b": [(1, 1, row("b"))],
    b"gone": [(2, 2, row("gone")), (4, 4, None)],
    b"erased": [(5, 5, row("erased", username=""))],
    b"r": [(8, 8, RECORDING)],
    CHUNK: [(6, 6, b'{"first":0}')],
    MINUTE: [(7, 7, b'{"minute":0}'), (9, 9, b'{"minute":0,"segments":[]}')],
    b"late": [(11, 11, row("late"))],
}
# Written late, of messages that came before that of the row.
LATE: dict[bytes, Records] = {
    b"a": [*CHANGELOG[b"a"], (9, 2, row("a", 4))],
    CHUNK: [*CHANGELOG[CHUNK], (9, 5, b'{"first":0,"late":1}')],
    # Of a recording that was erased, and begun again by a later message.
    b"r/c0000000000000009": [(9, 3, b'{"first":9}')],
}


def stored(row: bytes, message: int = 0) -> bytes:
    return message.to_bytes(8) + row


# A copy without a gap: it has everything below its position.
COPY = {
    POSITION: b"10",
    b"a": stored(row("a", 6)),
    b"b": stored(row("b")),
    b"erased": stored(row("erased", username="")),
    entry("a", 6): b"",
    entry("b"): b"",
    b"r": stored(RECORDING),
    entry("r", kind=b"\1"): b"",
    CHUNK: stored(b'{"first":0}'),
    MINUTE: stored(b'{"minute":0,"segments":[]}'),
}


def test_a_copy_with_everything_below_its_position_has_no_gap() -> None:
    assert faults(COPY, CHANGELOG) == []


def test_a_copy_may_have_rows_beyond_its_position() -> None:
    assert faults(COPY | {b"late": stored(row("late")), entry("late"): b""}, CHANGELOG) == []


def test_records_of_earlier_messages_do_not_count_and_must_not_be_the_last_ones() -> None:
    changelog = Changelog(cast("Any", None), {0: CHANGELOG | LATE})
    assert faults(COPY | {b"\xfea": b""}, CHANGELOG | LATE) == []
    assert sorted(changelog.overwritten()) == [b"a", CHUNK, b"r/c0000000000000009"]
    assert Changelog(cast("Any", None), {0: CHANGELOG}).overwritten() == []
    [stale] = faults(COPY | {CHUNK: stored(b'{"first":0,"late":1}')}, CHANGELOG | LATE)
    assert stale.startswith(f"{CHUNK!r} is stale")


def test_an_empty_copy_has_no_gap() -> None:
    assert faults({}, CHANGELOG) == []


@pytest.mark.parametrize(
    ("without", "more", "found"),
    [
        ([POSITION], {}, "rows without a position"),
        ([b"b", entry("b")], {}, "b'b' is missing"),
        ([entry("a", 6)], {b"a": stored(row("a")), entry("a"): b""}, "b'a' is stale"),
        ([], {b"gone": stored(row("gone")), entry("gone"): b""}, "b'gone' is stale"),
        ([], {b"never": stored(row("never")), entry("never"): b""}, "b'never' is not in the changelog"),
        ([entry("b")], {}, f"index entry {entry('b')!r} is missing"),
        ([], {entry("erased"): b""}, f"index entry {entry('erased')!r} has no row"),
        ([CHUNK], {}, f"{CHUNK!r} is missing"),
        ([], {MINUTE: stored(b'{"minute":0}')}, f"{MINUTE!r} is stale"),
        ([entry("r", kind=b"\1")], {}, f"index entry {entry('r', kind=bytes([1]))!r} is missing"),
        ([], {entry("r"): b""}, f"index entry {entry('r')!r} has no row"),
    ],
    ids=[
        *("no position", "missing", "stale", "tombstone", "unknown", "no entry", "entry of an erased row"),
        *("missing chunk", "stale minute", "no entry of a recording", "recording among ECGs"),
    ],
)
def test_a_gap_is_found(without: list[bytes], more: dict[bytes, bytes], found: str) -> None:
    copy = {key: value for key, value in COPY.items() if key not in without} | more
    [fault] = faults(copy, CHANGELOG)
    assert fault.startswith(found)
