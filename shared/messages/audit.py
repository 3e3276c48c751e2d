"""What is on the topic `audit`: who submitted, read or erased which ECG, and when; nothing of what is in it."""

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
    "refused",
    "user_registered",
    "token_rotated",
    "user_deleted",
]
ADMIN = "admin"


class AuditEvent(msgspec.Struct, frozen=True):
    """What somebody did with somebody's data."""

    at: datetime
    # Text, so that a gateway reads what a later version does too.
    action: Annotated[str, msgspec.Meta(description=f"What was done: {', '.join(get_args(Action))}.")]
    who: Annotated[str, msgspec.Meta(description=f"The user who did it, or `{ADMIN}`, the administrator.")]
    username: Annotated[str, msgspec.Meta(description="Whose data it is.")]
    ecg_id: Annotated[str | None, msgspec.Meta(description="Which ECG, if it is about one.")] = None
    request_id: Annotated[str | None, msgspec.Meta(description="The `x-request-id` of the request.")] = None


class AuditRecord(msgspec.Struct, frozen=True):
    """What happened at a gateway at about the same time, in order."""

    events: list[AuditEvent]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AuditRecord)


def encode(record: AuditRecord) -> bytes:
    """Encode a record as JSON."""
    return _encoder.encode(record)


def decode(value: bytes) -> AuditRecord:
    """Decode a record.

    Raises:
        msgspec.DecodeError: if it is none.
    """
    return _decoder.decode(value)
