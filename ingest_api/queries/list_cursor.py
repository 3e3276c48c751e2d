"""Cursors: a place in a user's list, as an opaque string that only this deployment makes, for that user alone."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from shared.worker_protocol.listing import Position

_TAG_BYTES = 16
_TIME_BYTES = 8


class ListCursors:
    """Makes and reads cursors; all holders of the same secret agree, and keep nothing."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"ecg/cursors/v1", "sha256")

    def seal(self, username: str, at: Position) -> str:
        """Return the cursor of a place in a user's list."""
        place = at.accepted.to_bytes(_TIME_BYTES) + at.ecg_id.encode()
        # No name holds a zero byte.
        tag = hmac.digest(self._key, username.encode() + b"\0" + place, "sha256")[:_TAG_BYTES]
        return urlsafe_b64encode(tag + place).rstrip(b"=").decode()

    def open(self, username: str, cursor: str) -> Position:
        """Return the place that a cursor of this user stands for.

        Raises:
            ValueError: if it is none.
        """
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[_TAG_BYTES:]
        at = Position(int.from_bytes(place[:_TIME_BYTES]), place[_TIME_BYTES:].decode())
        if not hmac.compare_digest(self.seal(username, at).encode(), cursor.encode()):
            raise ValueError("no cursor of this user")
        return at
