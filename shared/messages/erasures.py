"""Erasures: what a gateway writes onto the submissions topic, behind what is to be erased."""

import hmac
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/vnd.ecg.erasure.v1+json"


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is erased: a user's ECG, or without an id all that the user has in the partition.

    It concerns what stands before it in its partition, and nothing behind it.
    """

    username: str
    ecg_id: str | None = None


class SealedErasure(msgspec.Struct, frozen=True):
    """An erasure, and a gateway's signature of it: HMAC-SHA-256, as hex."""

    erasure: Erasure
    signature: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SealedErasure)


class Erasures:
    """Seals erasures with a key derived from the deployment's secret: whoever may produce may not erase."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"ecg/erasures/v1", "sha256")

    def seal(self, erasure: Erasure) -> bytes:
        """Return the message that says it."""
        return _encoder.encode(SealedErasure(erasure, self._sign(erasure)))

    def open(self, value: bytes | None) -> Erasure:
        """Return what a message erases.

        Raises:
            ValueError: if it is not sealed by a gateway of this deployment.
        """
        sealed = _decoder.decode(value or b"")
        if not hmac.compare_digest(self._sign(sealed.erasure).encode(), sealed.signature.encode()):
            raise ValueError("signature: is wrong")
        return sealed.erasure

    def _sign(self, erasure: Erasure) -> str:
        return hmac.digest(self._key, _encoder.encode(erasure), "sha256").hex()
