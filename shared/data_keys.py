"""Users' data keys, which seal their submissions: destroying the keys erases the sealed submissions.

The topic `ecg.keys` holds the keys, wrapped with a key derived from the deployment's secret. See
docs/decisions/0020-erasure.md.
"""

import asyncio
import hmac
import secrets
from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
import structlog

from shared.kafka.compacted_view import TopicView
from shared.kafka.topics import Topics
from shared.security.sealing import KEY_BYTES, Broken, Cipher
from shared.settings import Settings

log = structlog.get_logger(__name__)

HEADER: Final = "data-key"
_ID_BYTES = 16


class KeyDestroyed(Exception):  # noqa: N818 - named for what happened
    """The key does not exist any more, and nothing that it sealed can be read."""


class KeyRecord(msgspec.Struct, frozen=True):
    """A data key on its topic: its user, the time of that user's registration, and the wrapped key as base64."""

    username: str
    registered_at: datetime
    wrapped: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KeyRecord)


class DataKeys:
    """A process's view of the data keys. It follows their topic from the first `catch_up` on."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        secret = settings.secret.get_secret_value().encode()
        self._wrapping = Cipher(hmac.digest(secret, b"ecg/data-keys/v1", "sha256"))
        self._ciphers: dict[str, Cipher] = {}
        self._records: dict[str, KeyRecord] = {}
        self._of_user: dict[str, list[str]] = defaultdict(list)
        self._new_view = partial(TopicView, settings, topics.keys, self._apply)
        self._view: TopicView | None = None
        self._starting = asyncio.Lock()

    async def catch_up(self) -> None:
        """Return when the view knows all keys that existed at the time of the call, and none destroyed before it.

        Raises:
            KafkaError: if the broker cannot be asked.
        """
        async with self._starting:
            if self._view is None:
                view = self._new_view()
                try:
                    await view.start()
                except BaseException:
                    await view.stop()
                    raise
                self._view = view
                return
        await self._view.catch_up()

    async def stop(self) -> None:
        """Stop following."""
        if self._view is not None:
            await self._view.stop()

    def knows(self, key_id: str) -> bool:
        """Return True if a key is known here; a key that is still unknown after `catch_up` does not exist."""
        return key_id in self._ciphers

    def of(self, username: str, registered_at: datetime) -> list[str]:
        """Return the ids of the keys of a user's registration: several if gateways created them at the same time."""
        known = self._of_user.get(username, ())
        return [key_id for key_id in known if self._records[key_id].registered_at == registered_at]

    def all_of(self, username: str) -> list[str]:
        """Return the ids of all keys under a username, of earlier registrations of the name too."""
        return list(self._of_user.get(username, ()))

    def new(self, username: str, registered_at: datetime) -> tuple[str, bytes]:
        """Create a key: return its id, and the record to publish under it."""
        key_id = secrets.token_hex(_ID_BYTES)
        wrapped = self._wrapping.seal(secrets.token_bytes(KEY_BYTES), _purpose(key_id, username))
        return key_id, _encoder.encode(KeyRecord(username, registered_at, wrapped))

    def seal(self, key_id: str, ecg_id: str, message: bytes) -> bytes:
        """Return an ECG's message in sealed form.

        Raises:
            KeyError: if the key is not known here.
        """
        return self._ciphers[key_id].seal(message, ecg_id.encode())

    def open(self, key_id: str, ecg_id: str, sealed: bytes) -> bytes:
        """Return an ECG's message from its sealed form.

        Raises:
            KeyDestroyed: if the key is not known here.
            Broken: if the bytes are not that ECG's message, sealed with that key.
        """
        if (cipher := self._ciphers.get(key_id)) is None:
            raise KeyDestroyed
        return cipher.open(sealed, ecg_id.encode())

    def seal_label(self, key_id: str, ecg_id: str, label: str) -> bytes:
        """Return an ECG's label sealed, so that it opens only as the label of this ECG.

        Raises:
            KeyDestroyed: if the key is not known here.
        """
        if (cipher := self._ciphers.get(key_id)) is None:
            raise KeyDestroyed
        return cipher.seal(label.encode(), _label_of(ecg_id))

    def open_label(self, key_id: str, ecg_id: str, sealed: bytes) -> str:
        """Return an ECG's label.

        Raises:
            KeyDestroyed: if the key is not known here.
            Broken: if the sealed bytes are not that ECG's label.
        """
        if (cipher := self._ciphers.get(key_id)) is None:
            raise KeyDestroyed
        return cipher.open(sealed, _label_of(ecg_id)).decode()

    def _apply(self, key_id: str, value: bytes | None) -> None:
        if value is None:
            if (known := self._records.pop(key_id, None)) is not None:
                del self._ciphers[key_id]
                self._of_user[known.username].remove(key_id)
                if not self._of_user[known.username]:
                    del self._of_user[known.username]
            return
        if key_id in self._records:
            return
        record = _decoder.decode(value)
        try:
            key = self._wrapping.open(record.wrapped, _purpose(key_id, record.username))
        except Broken:
            log.error("a data key was wrapped with another secret", key_id=key_id)
            return
        self._ciphers[key_id] = Cipher(key)
        self._records[key_id] = record
        self._of_user[record.username].append(key_id)


def _label_of(ecg_id: str) -> bytes:
    # No id holds a space.
    return f"label of {ecg_id}".encode()


def _purpose(key_id: str, username: str) -> bytes:
    return f"{key_id} {username}".encode()
