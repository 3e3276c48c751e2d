"""Positions on a topic as opaque text, for event ids and cursors. Every gateway can read them."""

import base64
import hmac

import msgspec

from shared.kafka.topic import Topic
from shared.settings import Settings

_TAG_BYTES = 8

_decoder = msgspec.msgpack.Decoder(list[int])


class OffsetCursors:
    """Writes positions, which are lists of `numbers` integers, as signed text, and reads them."""

    def __init__(self, settings: Settings, topic: Topic, numbers: int) -> None:
        self._key = hmac.digest(settings.secret.get_secret_value().encode(), b"ecg/events/v1", "sha256")
        self._topic = topic.name.encode()
        self._numbers = numbers

    def encode(self, position: list[int]) -> str:
        """Return a position as text."""
        offsets = msgspec.msgpack.encode(position)
        return base64.urlsafe_b64encode(self._tag(offsets) + offsets).decode().rstrip("=")

    def decode(self, text: str) -> list[int]:
        """Return the position; partitions that were added since begin at 0.

        Raises:
            ValueError: if it was not made by `encode` for this topic.
        """
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        tag, offsets = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(offsets)):
            raise ValueError("not a position on this topic")
        position = _decoder.decode(offsets)
        # The last character of base64 has unused bits: accept only the text that `encode` writes.
        if text != self.encode(position) or len(position) > self._numbers:
            raise ValueError("not a position on this topic")
        return position + [0] * (self._numbers - len(position))

    def _tag(self, offsets: bytes) -> bytes:
        return hmac.digest(self._key, self._topic + b"\0" + offsets, "sha256")[:_TAG_BYTES]
