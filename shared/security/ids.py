"""Ids of ECGs and recordings: version-8 UUIDs that carry a signature over their owner.

Any gateway can check on its own that an id was issued to a user: the first half of the UUID is a nonce
(60 bits), the second a truncated HMAC-SHA-256 (62 bits) over nonce and owner. Recordings have a key of their own.
The layout follows RFC 9562, section 5.8 (custom UUIDs). See docs/decisions/0001-ecg-ids.md.
"""

import hmac
import re
import secrets
from hashlib import sha256
from uuid import UUID

_NONCE_BYTES = 8
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}"
_ID = re.compile(ID_PATTERN)
_ISSUED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_valid(ecg_id: str) -> bool:
    """Return True if a string has the form of an ECG id, issued here or chosen by a producer."""
    return _ID.fullmatch(ecg_id) is not None


def is_issued(ecg_id: str) -> bool:
    """Return True if an id has the form that only gateways issue: a canonical version-8 UUID."""
    return _ISSUED.fullmatch(ecg_id) is not None


class IdIssuer:
    """Issues ids to owners and recognises them; issuers with the same secret agree."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"ecg/ids/v1", "sha256")
        self._recording_key = hmac.digest(secret.encode(), b"ecg/ids/recordings/v1", "sha256")

    def issue(self, owner: str, *, recording: bool = False) -> str:
        """Return a new id for an ECG or a recording of this owner."""
        key = self._recording_key if recording else self._key
        return str(UUID(bytes=_signed(key, secrets.token_bytes(_NONCE_BYTES), owner)))

    def issue_once(self, owner: str, key: str, content: bytes, *, recording: bool = False) -> str:
        """Return the id of an idempotent submission: the same for the same owner, key and content."""
        parts = (owner.encode(), key.encode(), content)
        digests = b"".join(sha256(part).digest() for part in parts)
        nonce = hmac.digest(self._key, b"once" + digests, "sha256")[:_NONCE_BYTES]
        return str(UUID(bytes=_signed(self._recording_key if recording else self._key, nonce, owner)))

    def belongs(self, given_id: str, owner: str, *, recording: bool = False) -> bool:
        """Return True if a gateway issued this id to this owner for an ECG or, if so asked, for a recording."""
        if not is_issued(given_id):
            return False
        given = bytes.fromhex(given_id.replace("-", ""))
        key = self._recording_key if recording else self._key
        return hmac.compare_digest(_signed(key, given[:_NONCE_BYTES], owner), given)


def _signed(key: bytes, nonce: bytes, owner: str) -> bytes:
    head = bytearray(nonce)
    head[6] = 0x80 | head[6] & 0x0F  # version 8
    tag = bytearray(hmac.digest(key, bytes(head) + owner.encode(), "sha256")[:8])
    tag[0] = 0x80 | tag[0] & 0x3F  # variant of RFC 9562
    return bytes(head + tag)
