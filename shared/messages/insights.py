"""The result for an ECG: the row of the insights table, the message on its topic, the answer to a query."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
import orjson

from shared.messages.recordings import Progress

MAX_MESSAGE_BYTES: Final = 1 << 20
"""The size of the largest message on the table's topic: a row, its key, and Kafka's overhead.

Brokers accept this size by default. It leaves some 400 bytes per lead for insights, even in an ECG with the most leads
and the longest names. An insight that does not fit is left out.
"""

MAX_BYTES: Final = MAX_MESSAGE_BYTES - 1024
"""The size of the largest row; its key and Kafka's overhead come on top."""

MAX_ACCEPTED = 253_402_300_799_999
"""The last millisecond that a date can express, in the year 9999."""

MESSAGE_OFFSET_HEADER: Final = "message-offset"
"""The header with the offset of the message that a row comes from, in the topic of that message.

A worker that was cut off from the others may write a row late, after its successor has written that of a later message.
A record with a lower number than an earlier record of its key is therefore ignored.
"""


class Insights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one ECG.

    `leads` holds one object per lead in the order submitted, with `name` and each insight of a lead under its name;
    `ecg` holds the insights of the whole ECG by name. NaN and infinities are null. `not_computed` holds the reason for
    each insight that this ECG lacks, `versions` the version of each insight that was to be computed, and `summary` the
    measurements that lists and events show. `error` is the reason why the ECG could not be processed; it then has none
    of these.

    `sampling_rate` is that of the ECG in Hz, to which the sample indices in insights refer; absent if unknown.
    `number_of_samples` holds the number for each lead, `date` is the date of the ECG. `accepted` is the time at which
    the ECG first came to the partition of its id, in milliseconds of Unix time by the broker's clock. `offset` is that
    of the ECG's last record in that partition of the submissions topic.

    `label` is the ECG's. The label of a sealed submission is sealed as well: `sealed_label` holds it in base64, and the
    data key `label_key` opens it.

    A `recording` is an ECG that arrives in chunks: its offset is that of its last message on the topic of chunks, and
    its insights are those of the samples so far.

    If the ECG is `erased`, only its id and the offset of the erasure remain, so that no earlier message brings the ECG
    back; its username is empty. An erased recording remains a recording, with no progress.
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
    sampling_rate: float | None = None
    ecg: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    not_computed: dict[str, str] = {}
    versions: dict[str, int] = {}
    summary: dict[str, Any] = {}
    recording: Progress | None = None

    @property
    def is_recording(self) -> bool:
        """True if the row is that of a recording, erased or not."""
        return self.recording is not None


def message_offset(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Return the offset in the headers of a row's record, or -1 if they have none, as in records of older builds."""
    for name, value in headers:
        if name == MESSAGE_OFFSET_HEADER and value is not None:
            return int(value)
    return -1


class _Begun(msgspec.Struct):
    begun: int = -1


class _Recording(msgspec.Struct):
    """The fields of a recording's row that say which messages its parts come from; its other fields are skipped."""

    offset: int = -1
    erased: bool = False
    recording: _Begun | None = None


_recording_decoder = msgspec.json.Decoder(_Recording)


def first_of_parts(row: bytes) -> int:
    """Return the offset of the first message that a recording with this row may have parts of.

    The parts of earlier messages are those of an erased recording with the same id.

    Raises:
        msgspec.DecodeError: if the bytes are no row.
    """
    found = _recording_decoder.decode(row)
    return found.offset if found.erased or found.recording is None else found.recording.begun


class RowTooLarge(ValueError):  # noqa: N818 - the error class of its dead letters
    """The row is larger than its topic accepts."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Insights)


class _Owned(msgspec.Struct):
    """A row's owner; its other fields are skipped."""

    username: str


_owner_decoder = msgspec.json.Decoder(_Owned)


def erased(row: Insights, offset: int) -> Insights:
    """Return the row that remains of another one after an erasure at this offset."""
    recording = Progress() if row.is_recording else None
    return Insights(row.ecg_id, "", offset=offset, erased=True, recording=recording)


def encode(insights: Insights) -> bytes:
    """Encode insights as JSON.

    Raises:
        RowTooLarge: if the row is larger than `MAX_BYTES`.
    """
    if insights.leads:
        # With orjson, because the results in it are encoded already, as its fragments.
        leads = msgspec.Raw(orjson.dumps(insights.leads))
        insights = msgspec.structs.replace(insights, leads=leads)
    row = _encoder.encode(insights)
    if len(row) > MAX_BYTES:
        raise RowTooLarge(f"larger than {MAX_BYTES} bytes")
    return row


def decode(row: bytes) -> Insights:
    """Decode insights.

    Raises:
        msgspec.DecodeError: if the bytes are not a row of this table.
    """
    return _decoder.decode(row)


def without_content(ecg_id: str, username: str | None) -> bytes:
    """Encode a row with only an ECG's id and its owner, or no owner (None)."""
    return _encoder.encode(Insights(ecg_id, username or ""))


def owner(row: bytes | None) -> str | None:
    """Return the owner of a row, or None if it is erased or not a row at all, such as a tombstone."""
    try:
        return (_owner_decoder.decode(row).username or None) if row is not None else None
    except ValueError:
        return None
