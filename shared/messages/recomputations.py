"""Recomputations: messages on the submissions topic that ask for an ECG's insights anew, without its signals."""

from collections.abc import Mapping
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/vnd.ecg.recomputation.v1+json"


class Recomputation(msgspec.Struct, frozen=True):
    """A request to compute the insights of an ECG again, from its record at `offset` of the same partition.

    It changes nothing unless the ECG's row is that of this record, and has insights of older versions. Anybody who may
    produce on the topic may send it.
    """

    ecg_id: str
    offset: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Recomputation)


def encode(recomputation: Recomputation) -> bytes:
    """Encode a recomputation as JSON."""
    return _encoder.encode(recomputation)


def decode(value: bytes | None) -> Recomputation:
    """Decode a recomputation.

    Raises:
        msgspec.DecodeError: if the value is none.
    """
    return _decoder.decode(value or b"")


def is_outdated(versions: Mapping[str, int], has_sampling_rate: bool, current: Mapping[str, tuple[int, bool]]) -> bool:
    """Return True if a row lacks an insight, or has an older version of it, or has no versions, as rows once had none.

    Args:
        versions: of the row's insights.
        has_sampling_rate: True if the row has a sampling rate.
        current: the version of each insight, and whether it needs a sampling rate.
    """
    return any(
        not versions or (versions.get(name, 0) < version and (has_sampling_rate or not needs_rate))
        for name, (version, needs_rate) in current.items()
    )
