"""Cursors: a position in a user's list, as an opaque string that is signed for that user."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from shared.worker_protocol.listing import Position

_TAG_BYTES = 16
_TIME_BYTES = 8


class ListCursors:
    """Creates and reads cursors of a list. Gateways with the same secret accept each other's, and store none.

    Args:
        secret: the deployment's secret.
        recordings: True for the list of recordings. The cursors of one list are invalid in the other.
    """

    def __init__(self, secret: str, *, recordings: bool = False) -> None:
        purpose = b"ecg/cursors/recordings/v1" if recordings else b"ecg/cursors/v1"
        self._key = hmac.digest(secret.encode(), purpose, "sha256")

    def seal(self, username: str, at: Position) -> str:
        """Return the cursor of a position in a user's list."""
        place = at.accepted.to_bytes(_TIME_BYTES) + at.ecg_id.encode()
        # The zero byte separates them, because no username contains one.
        tag = hmac.digest(self._key, username.encode() + b"\0" + place, "sha256")[:_TAG_BYTES]
        return urlsafe_b64encode(tag + place).rstrip(b"=").decode()

    def open(self, username: str, cursor: str) -> Position:
        """Return the position of a user's cursor.

        Raises:
            ValueError: if it is not a cursor of this user.
        """
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[_TAG_BYTES:]
        at = Position(int.from_bytes(place[:_TIME_BYTES]), place[_TIME_BYTES:].decode())
        if not hmac.compare_digest(self.seal(username, at).encode(), cursor.encode()):
            raise ValueError("not a cursor of this user")
        return at
