"""Authenticated encryption: AES-256-GCM (NIST SP 800-38D), with the nonce in front of the ciphertext."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD = _NONCE_BYTES + 16


class Broken(ValueError):  # noqa: N818 - named for the state of the bytes
    """The sealed bytes were changed, or sealed with another key or context."""


class Cipher:
    """Seals bytes with a key of 32 bytes, for a context: they can be opened only with the same one.

    Nonces are random, for which NIST allows 2^32 messages per key.
    """

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return the sealed bytes, longer by `OVERHEAD`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the bytes that were sealed for a context.

        Raises:
            Broken: if they were changed, or sealed with another key or context.
        """
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise Broken("cannot be opened") from None
