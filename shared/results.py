"""What a worker says of an ECG: the row of the insights table, the message on its topic, the query's answer."""

from typing import Annotated, Any

import msgspec

MAX_ACCEPTED = 253_402_300_799_999
"""The last millisecond that a date can say, in the year 9999."""


class Insights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one ECG.

    `leads` holds one object per lead in the order submitted: `name`, and every insight under its field's name.
    `error` is the reason why the ECG could not be processed; it then has no leads. `number_of_samples` holds those
    of each lead, `date` is that of the ECG. `accepted` is when the ECG came first to the partition of its id, in
    milliseconds of Unix time by the broker's clock, and `offset` that of its last record on the submissions topic, in
    that partition.

    Of an ECG that is `erased` the id remains, and the offset of the erasure, so that no message before it brings the
    ECG back; its username is empty.
    """

    ecg_id: str
    username: str
    leads: list[dict[str, Any]] = []
    error: str | None = None
    date: str | None = None
    number_of_samples: list[int] = []
    accepted: Annotated[int, msgspec.Meta(ge=0, le=MAX_ACCEPTED)] = 0
    offset: int = -1
    erased: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Insights)


class _Owned(msgspec.Struct):
    """What a row says of its owner: the rest is skipped."""

    username: str


_owner_decoder = msgspec.json.Decoder(_Owned)


def erased(ecg_id: str, offset: int) -> Insights:
    """Return what remains of an ECG after its erasure, which stood at this offset."""
    return Insights(ecg_id, "", offset=offset, erased=True)


def encode(insights: Insights) -> bytes:
    """Encode insights as JSON."""
    return _encoder.encode(insights)


def decode(row: bytes) -> Insights:
    """Decode insights.

    Raises:
        msgspec.ValidationError: if it is not a row of ours.
    """
    return _decoder.decode(row)


def owner(row: bytes | None) -> str | None:
    """Return whose row it is, or None for an erased one and for what is no row of ours, such as a tombstone."""
    try:
        return (_owner_decoder.decode(row).username or None) if row is not None else None
    except ValueError:
        return None
