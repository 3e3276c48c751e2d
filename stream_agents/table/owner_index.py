"""The index of every user's ECGs and recordings, beside the rows, in the order of its owner's list, newest first.

A key consists of a byte with which no id begins, 0 for an ECG and 1 for a recording; the owner's name; a zero byte,
which no name contains; the time of acceptance, subtracted from the latest possible one; and the id.
"""

from typing import Annotated

import msgspec

from shared.messages.insights import MAX_ACCEPTED
from shared.worker_protocol.listing import Position

_ECGS, _RECORDINGS = b"\0", b"\1"
_END = b"\0"
_TIME_BYTES = 8


class _Place(msgspec.Struct):
    """The fields of a row for its key: decoding only these takes a third of the time, for every row of a recovery."""

    ecg_id: str
    username: str
    accepted: Annotated[int, msgspec.Meta(ge=0, le=MAX_ACCEPTED)] = 0
    recording: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_Place)


def owner(username: str, *, recordings: bool = False) -> bytes:
    """Return the prefix of the keys of a user's ECGs, or of the user's recordings."""
    return (_RECORDINGS if recordings else _ECGS) + username.encode() + _END


def key(prefix: bytes, at: Position) -> bytes:
    """Return the key at a position in the list with an owner's prefix."""
    return prefix + (MAX_ACCEPTED - at.accepted).to_bytes(_TIME_BYTES) + at.ecg_id.encode()


def key_of(row: bytes) -> bytes | None:
    """Return the key of an encoded row, or None if it is erased, or the bytes are no such row."""
    try:
        place = _decoder.decode(row)
    except msgspec.DecodeError:
        return None
    # An erased ECG or recording has no owner, and is in no list.
    if not place.username:
        return None
    prefix = owner(place.username, recordings=bool(place.recording))
    return key(prefix, Position(place.accepted, place.ecg_id))


def first_after(prefix: bytes, at: Position | None) -> bytes:
    """Return the lowest possible key after a position, or of the whole list."""
    return prefix if at is None else key(prefix, at) + _END


def ecg_id(entry: bytes, prefix: bytes) -> bytes:
    """Return the id in a key that begins with an owner's prefix."""
    return entry[len(prefix) + _TIME_BYTES :]
