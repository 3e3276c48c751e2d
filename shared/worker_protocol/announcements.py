"""Announcements of the partitions that a worker serves: one record per worker, on a compacted topic."""

import msgspec


class Announcement(msgspec.Struct, frozen=True):
    """The partitions of the insights table that the worker at `url` holds from now on.

    It has all rows of `partitions`, and copies of `standbys` that may lag behind.
    """

    url: str
    partitions: list[int]
    standbys: list[int] = []


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Announcement)


def encode(announcement: Announcement) -> bytes:
    """Encode an announcement as JSON."""
    return _encoder.encode(announcement)


def decode(value: bytes) -> Announcement:
    """Decode an announcement.

    Raises:
        msgspec.DecodeError: if the value is not an announcement.
    """
    return _decoder.decode(value)
