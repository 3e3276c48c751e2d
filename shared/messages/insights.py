"""What a worker says of an ECG: the row of the insights table, the message on its topic, the query's answer."""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
import orjson

MAX_MESSAGE_BYTES: Final = 1 << 20
"""The size of the largest message on the table's topic, and so of a row with what is around it.

It is what brokers take where nothing else is said. An ECG with as many leads as there may be, and as long names, has
some 400 bytes left for what is computed of each.
"""

MAX_BYTES: Final = MAX_MESSAGE_BYTES - 1024
"""The size of the largest row; its key, and what Kafka says of every record, come on top."""

MAX_ACCEPTED = 253_402_300_799_999
"""The last millisecond that a date can say, in the year 9999."""


class Insights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one ECG.

    `leads` holds one object per lead in the order submitted: `name`, and every insight under its field's name; NaN
    and infinities are null.
    `error` is the reason why the ECG could not be processed; it then has no leads. `number_of_samples` holds those
    of each lead, `date` is that of the ECG. `accepted` is when the ECG came first to the partition of its id, in
    milliseconds of Unix time by the broker's clock, and `offset` that of its last record on the submissions topic, in
    that partition.

    `label` is that of the ECG. Of a submission that was sealed, it is sealed too: `sealed_label`, as base64, with the
    key `label_key` of the topic of keys.

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
    label: str | None = None
    sealed_label: bytes = b""
    label_key: str = ""


class RowTooLarge(ValueError):  # noqa: N818 - named as its dead letters are
    """The row is larger than its topic takes."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Insights)
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class _Owned(msgspec.Struct):
    """A row's owner; its other fields are skipped."""

    username: str


_owner_decoder = msgspec.json.Decoder(_Owned)


def erased(ecg_id: str, offset: int) -> Insights:
    """Return what remains of an ECG after its erasure, which stood at this offset."""
    return Insights(ecg_id, "", offset=offset, erased=True)


def encode(insights: Insights) -> bytes:
    """Encode insights as JSON; those of a lead may be NumPy's scalars and arrays.

    Raises:
        TypeError: if what was computed of a lead is no JSON, or an integer beyond 64 bits.
        RowTooLarge: if it is larger than `MAX_BYTES`.
    """
    if insights.leads:
        # What orjson writes here, gateways can write again with orjson.
        leads = msgspec.Raw(orjson.dumps(insights.leads, default=_plain, option=_OPTIONS))
        insights = msgspec.structs.replace(insights, leads=leads)
    row = _encoder.encode(insights)
    if len(row) > MAX_BYTES:
        raise RowTooLarge(f"larger than {MAX_BYTES} bytes")
    return row


def _plain(value: object) -> Any:
    """Return what orjson does not take of NumPy, such as every second element of an array, as it takes it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError


def decode(row: bytes) -> Insights:
    """Decode insights.

    Raises:
        msgspec.ValidationError: if it is not a row of ours.
    """
    return _decoder.decode(row)


def without_content(ecg_id: str, username: str | None) -> bytes:
    """Encode that an ECG belongs to a user, or to nobody (None), and nothing else of it."""
    return _encoder.encode(Insights(ecg_id, username or ""))


def owner(row: bytes | None) -> str | None:
    """Return whose row it is, or None for an erased one and for what is no row of ours, such as a tombstone."""
    try:
        return (_owner_decoder.decode(row).username or None) if row is not None else None
    except ValueError:
        return None
