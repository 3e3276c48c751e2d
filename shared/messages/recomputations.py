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


class _Row(msgspec.Struct):
    """The fields of a row of the table that say whether its insights are outdated; its other fields are skipped."""

    # The rows of a recording's parts have none.
    ecg_id: str = ""
    offset: int = -1
    versions: dict[str, int] = {}
    sampling_rate: float | None = None
    erased: bool = False
    error: str | None = None
    recording: msgspec.Raw = msgspec.Raw()


_row_decoder = msgspec.json.Decoder(_Row)


def outdated_at(row: bytes, current: Mapping[str, tuple[int, bool]]) -> int | None:
    """Return the offset of the submission of a row whose insights are outdated, or None for every other row.

    Insights are outdated if the row lacks one of them, has an older version of it, or has no versions, as old rows do.
    The insights of a recording are never outdated, because they depend on many messages.

    Args:
        row: an encoded row of the table.
        current: the version of each insight, and whether it needs a sampling rate.

    Raises:
        msgspec.DecodeError: if it is no row.
    """
    found = _row_decoder.decode(row)
    if not found.ecg_id or found.erased or found.error is not None or found.offset < 0 or found.recording:
        return None
    has_rate, versions = found.sampling_rate is not None, found.versions
    outdated = any(
        not versions or (versions.get(name, 0) < version and (has_rate or not needs_rate))
        for name, (version, needs_rate) in current.items()
    )
    return found.offset if outdated else None
