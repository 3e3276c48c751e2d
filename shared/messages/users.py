"""The records of the topic `ecg.users`: one for each user, with the digest of the token."""

from datetime import datetime

import msgspec


class UserRecord(msgspec.Struct, omit_defaults=True):
    """A user: registered at `created_at`, with a token that was issued at `issued_at` (None: at the registration)."""

    username: str
    token_digest: str
    created_at: datetime
    issued_at: datetime | None = None
    expires_at: datetime | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(UserRecord)


def encode(record: UserRecord) -> bytes:
    """Encode a record as JSON."""
    return _encoder.encode(record)


def decode(value: bytes) -> UserRecord:
    """Decode a record.

    Raises:
        msgspec.DecodeError: if the value is not a user record.
    """
    return _decoder.decode(value)
