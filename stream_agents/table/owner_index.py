"""The index of every user's ECGs beside the rows: one key for each ECG, in the order of its owner's list, newest first.

A key is a zero byte, with which no ECG id begins, the owner's name, another zero byte, which no name holds, the time at
which the ECG was accepted, counted down, and its id.
"""

from typing import Annotated

import msgspec

from shared.messages.insights import MAX_ACCEPTED
from shared.worker_protocol.listing import Position

_MARK = b"\0"
_TIME_BYTES = 8


class _Place(msgspec.Struct):
    """What of a row is in its key: to decode no more takes a third of the time, for every row of a recovery."""

    ecg_id: str
    username: str
    accepted: Annotated[int, msgspec.Meta(ge=0, le=MAX_ACCEPTED)] = 0


_decoder = msgspec.json.Decoder(_Place)


def owner(username: str) -> bytes:
    """Return what the keys of a user's ECGs begin with."""
    return _MARK + username.encode() + _MARK


def key(username: str, at: Position) -> bytes:
    """Return the key of an ECG."""
    return owner(username) + (MAX_ACCEPTED - at.accepted).to_bytes(_TIME_BYTES) + at.ecg_id.encode()


def key_of(row: bytes) -> bytes | None:
    """Return the key of a row's ECG, or None if it is erased, or no row of ours."""
    try:
        place = _decoder.decode(row)
    except msgspec.DecodeError:
        return None
    # An erased ECG is in nobody's list.
    return key(place.username, Position(place.accepted, place.ecg_id)) if place.username else None


def first_after(username: str, at: Position | None) -> bytes:
    """Return the least possible key of those after a position, or of all."""
    return owner(username) if at is None else key(username, at) + _MARK


def ecg_id(entry: bytes, prefix: bytes) -> bytes:
    """Return the id in a key that begins with an owner's prefix."""
    return entry[len(prefix) + _TIME_BYTES :]
