"""The two encodings of an ECG message, distinguished by the record's `content-type` header."""

from shared.ecg import Ecg
from shared.encoding import packed, plain
from shared.errors import UnknownEncoding


def decode(value: bytes, content_type: str | None) -> Ecg:
    """Decode an ECG message, as plain JSON if it has no content type.

    Raises:
        InvalidEcg: if the message breaks the schema.
        UnknownEncoding: if the content type names neither encoding.
    """
    media_type = (content_type or plain.CONTENT_TYPE).partition(";")[0].strip().lower()
    if media_type == plain.CONTENT_TYPE:
        return plain.decode(value)
    if media_type == packed.CONTENT_TYPE:
        return packed.decode(value)
    raise UnknownEncoding("content-type", f"must be {plain.CONTENT_TYPE} or {packed.CONTENT_TYPE}")
