"""Authenticated encryption: AES-256-GCM (NIST SP 800-38D), the nonce in front of what it seals."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD = _NONCE_BYTES + 16


class Broken(ValueError):  # noqa: N818 - said of what was sealed
    """What was sealed has been changed, or was sealed for another purpose."""


class Cipher:
    """Seals bytes with a key of 32 bytes, each for a context without which they cannot be opened.

    Nonces are random: NIST allows 2^32 messages for a key then.
    """

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return bytes sealed, longer by `OVERHEAD`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed for a context.

        Raises:
            Broken: if it was not, or is no longer what it was.
        """
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise Broken("cannot be opened") from None
