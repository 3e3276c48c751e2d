"""Erasures: messages that a gateway puts on the topics of submissions and chunks, behind the messages to erase."""

import hmac
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/vnd.ecg.erasure.v1+json"


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request to erase an ECG or a recording of a user or, without an id, all that the user has in the partition.

    It erases records before it in its partition, and none after it.
    """

    username: str
    ecg_id: str | None = None


class SealedErasure(msgspec.Struct, frozen=True):
    """An erasure with a gateway's signature: HMAC-SHA-256, as hex."""

    erasure: Erasure
    signature: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SealedErasure)


class Erasures:
    """Seals erasures with a key derived from the deployment's secret, so that other producers cannot erase."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"ecg/erasures/v1", "sha256")

    def seal(self, erasure: Erasure) -> bytes:
        """Return the message for an erasure."""
        return _encoder.encode(SealedErasure(erasure, self._sign(erasure)))

    def open(self, value: bytes | None) -> Erasure:
        """Return the erasure in a message.

        Raises:
            ValueError: if no gateway of this deployment sealed it.
        """
        sealed = _decoder.decode(value or b"")
        if not hmac.compare_digest(self._sign(sealed.erasure).encode(), sealed.signature.encode()):
            raise ValueError("signature: is wrong")
        return sealed.erasure

    def _sign(self, erasure: Erasure) -> str:
        return hmac.digest(self._key, _encoder.encode(erasure), "sha256").hex()
