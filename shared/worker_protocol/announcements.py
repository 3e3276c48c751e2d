"""How workers tell gateways who serves which partition: a record per worker on a compacted topic."""

import msgspec


class Announcement(msgspec.Struct, frozen=True):
    """What a worker, reached under `url`, has of the insights table from now on.

    It knows all rows of `partitions`; of `standbys` it has a copy that may lag behind.
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
        msgspec.DecodeError: if it is none.
    """
    return _decoder.decode(value)
