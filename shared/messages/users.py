"""What stands on the topic `ecg.users`: a record for each user, with the digest of the token."""

from datetime import datetime

import msgspec


class UserRecord(msgspec.Struct, omit_defaults=True):
    """What the topic says of a user: their first token is of `created_at`, this one of `issued_at`."""

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
        msgspec.DecodeError: if it is none.
    """
    return _decoder.decode(value)
