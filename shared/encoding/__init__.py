"""The two encodings of an ECG message, distinguished by the record's `content-type` header."""

from typing import Protocol

from shared.chunk import Chunk
from shared.ecg import Content, Ecg
from shared.encoding import packed, plain
from shared.errors import UnknownEncoding

MEDIA_TYPES = (plain.CONTENT_TYPE, packed.CONTENT_TYPE)


class _Encoding(Protocol):
    def decode(self, value: bytes) -> Ecg: ...
    def decode_chunk(self, value: bytes) -> Chunk: ...
    def decode_content(self, value: bytes, *, only_known: bool) -> Content: ...
    def decode_chunk_content(self, value: bytes) -> tuple[int, Content]: ...


def decode(value: bytes, content_type: str | None) -> Ecg:
    """Decode an ECG message, as plain JSON if it has no content type.

    Raises:
        InvalidEcg: if the message breaks the schema.
        UnknownEncoding: if the content type names neither encoding.
    """
    return _encoding(content_type).decode(value)


def decode_chunk(value: bytes, content_type: str | None) -> Chunk:
    """Decode a message with a chunk of a recording, as plain JSON if it has no content type.

    Raises:
        InvalidEcg: if the message breaks the schema.
        UnknownEncoding: if the content type names neither encoding.
    """
    return _encoding(content_type).decode_chunk(value)


def decode_submission(value: bytes, media_type: str) -> Content:
    """Decode the body of a submission, which must have known fields only, in one of `MEDIA_TYPES`.

    Raises:
        InvalidEcg: if it breaks the schema.
    """
    return _encoding(media_type).decode_content(value, only_known=True)


def decode_chunk_submission(value: bytes, media_type: str) -> tuple[int, Content]:
    """Decode the body of a chunk in this media type, and return its first sample and its content.

    Raises:
        InvalidEcg: if it breaks the schema.
    """
    return _encoding(media_type).decode_chunk_content(value)


def media_type_of(content_type: str | None) -> str:
    """Return the media type in a `content-type` header, without its parameters; that of JSON without the header."""
    return (content_type or plain.CONTENT_TYPE).partition(";")[0].strip().lower()


def _encoding(content_type: str | None) -> _Encoding:
    media_type = media_type_of(content_type)
    if media_type == plain.CONTENT_TYPE:
        return plain
    if media_type == packed.CONTENT_TYPE:
        return packed
    raise UnknownEncoding("content-type", f"must be {' or '.join(MEDIA_TYPES)}")
