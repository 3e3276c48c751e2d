"""The decoding of a record: the ECG or the chunk in it, and the identity beside it."""

from collections.abc import Callable
from typing import TypeVar

from shared import encoding
from shared.chunk import Chunk
from shared.data_keys import DataKeys
from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.messages.headers import CONTENT_TYPE_HEADER, USERNAME_HEADER
from shared.security.ids import IdIssuer
from shared.security.sealing import Broken
from stream_agents.processing.record import Record

T = TypeVar("T")


class Decoder:
    """Opens and decodes records.

    Args:
        issuer: recognises the ids that gateways issued.
        keys: opens the messages that gateways sealed.
        max_bytes: size of the largest message that is decoded.
    """

    def __init__(self, issuer: IdIssuer, keys: DataKeys, max_bytes: int) -> None:
        self._issuer = issuer
        self._keys = keys
        self._max_bytes = max_bytes

    def ecg(self, record: Record) -> Ecg:
        """Return the ECG of a record.

        Raises:
            InvalidEcg: if it has none; with the ECG's id and owner, if they are known.
            KeyDestroyed: if the data key that the record is sealed with was destroyed.
        """
        return self._decoded(record, encoding.decode, recording=False)

    def chunk(self, record: Record) -> Chunk:
        """Return the chunk of a record.

        Raises:
            InvalidEcg: if it holds no valid chunk; with the recording's id and owner, if they are known.
            KeyDestroyed: as `ecg`.
        """
        return self._decoded(record, encoding.decode_chunk, recording=True)

    def _decoded(self, record: Record, decode: Callable[[bytes, str | None], T], *, recording: bool) -> T:
        value = record.value
        if value is None:
            raise InvalidEcg("value", "is empty")
        if (key_id := record.data_key) is not None:
            value = self._open(record, key_id, value, recording=recording)
        if len(value) > self._max_bytes:
            raise InvalidEcg(
                "value", f"is larger than {self._max_bytes} bytes", **self.identity(record, recording=recording)
            )
        try:
            return decode(value, record.header(CONTENT_TYPE_HEADER))
        except InvalidEcg as error:
            if error.ecg_id is None or error.username is None:
                # Gateways also name the owner in a header, so that even an unreadable message has an answer.
                identity = self.identity(record, recording=recording)
                error.ecg_id, error.username = identity["ecg_id"], identity["username"]
            raise
        except Exception as error:
            # No input is known to cause this. If one does, it concerns this message only and must not end the worker.
            raise InvalidEcg(
                "body", f"could not be read ({type(error).__name__})", **self.identity(record, recording=recording)
            ) from None

    def identity(self, record: Record, *, recording: bool) -> dict[str, str | None]:
        """Return the id and the owner that a gateway wrote beside an ECG or a chunk, or None for both."""
        username = record.header(USERNAME_HEADER)
        ecg_id = (record.key or b"").decode("utf-8", "replace")
        if username is None or not self._issuer.belongs(ecg_id, username, recording=recording):
            return {"ecg_id": None, "username": None}
        return {"ecg_id": ecg_id, "username": username}

    def _open(self, record: Record, key_id: str, value: bytes, *, recording: bool) -> bytes:
        try:
            return self._keys.open(key_id, (record.key or b"").decode("utf-8", "replace"), value)
        except Broken:
            raise InvalidEcg(
                "value", "cannot be opened with its key", **self.identity(record, recording=recording)
            ) from None
