"""The audit trail on the topic `ecg.audit`: who submitted, read or erased which ECG, and when, without its content."""

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

Action = Literal[
    "ecg_submitted",
    "insights_read",
    "signals_read",
    "ecgs_listed",
    "events_followed",
    "ecg_erased",
    "recording_begun",
    "recording_ended",
    "recordings_listed",
    "recording_erased",
    "refused",
    "user_registered",
    "token_rotated",
    "user_deleted",
]
ADMIN = "admin"


class AuditEvent(msgspec.Struct, frozen=True):
    """One action on a user's data."""

    at: datetime
    # Any text, so that a gateway can also read the actions of later versions.
    action: Annotated[str, msgspec.Meta(description=f"The action: {', '.join(get_args(Action))}.")]
    who: Annotated[str, msgspec.Meta(description=f"The user who acted, or `{ADMIN}` for the administrator.")]
    username: Annotated[str, msgspec.Meta(description="The user whose data it was.")]
    ecg_id: Annotated[
        str | None, msgspec.Meta(description="The ECG or recording, if the action concerned a single one.")
    ] = None
    request_id: Annotated[str | None, msgspec.Meta(description="The `x-request-id` of the request.")] = None


class AuditRecord(msgspec.Struct, frozen=True):
    """Audit events of one gateway from about the same time, in order."""

    events: list[AuditEvent]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AuditRecord)


def encode(record: AuditRecord) -> bytes:
    """Encode a record as JSON."""
    return _encoder.encode(record)


def decode(value: bytes) -> AuditRecord:
    """Decode a record.

    Raises:
        msgspec.DecodeError: if the value is not an audit record.
    """
    return _decoder.decode(value)
