"""What a worker says of an ECG: the row of the insights table, the message on its topic, the query's answer."""

from typing import Any

import msgspec


class Insights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one ECG.

    `leads` holds one object per lead in the order submitted: `name`, and every insight under its field's name.
    `error` is the reason why the ECG could not be processed; it then has no leads.
    """

    ecg_id: str
    username: str
    leads: list[dict[str, Any]] = []
    error: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Insights)


class _Owned(msgspec.Struct):
    """What a row says of its owner: the rest is skipped."""

    username: str


_owner_decoder = msgspec.json.Decoder(_Owned)


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
    """Return whose row it is, or None for what is no row of ours, such as a tombstone."""
    try:
        return _owner_decoder.decode(row).username if row is not None else None
    except ValueError:
        return None
