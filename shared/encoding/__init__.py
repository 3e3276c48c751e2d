"""The two encodings of an ECG message, distinguished by the record's `content-type` header."""

from shared.ecg import Content, Ecg
from shared.encoding import packed, plain
from shared.errors import UnknownEncoding

MEDIA_TYPES = (plain.CONTENT_TYPE, packed.CONTENT_TYPE)


def decode(value: bytes, content_type: str | None) -> Ecg:
    """Decode an ECG message, as plain JSON if it has no content type.

    Raises:
        InvalidEcg: if the message breaks the schema.
        UnknownEncoding: if the content type names neither encoding.
    """
    media_type = media_type_of(content_type)
    if media_type == plain.CONTENT_TYPE:
        return plain.decode(value)
    if media_type == packed.CONTENT_TYPE:
        return packed.decode(value)
    raise UnknownEncoding("content-type", f"must be {' or '.join(MEDIA_TYPES)}")


def decode_submission(value: bytes, media_type: str) -> Content:
    """Decode the body of a submission, which must have known fields only, in one of `MEDIA_TYPES`.

    Raises:
        InvalidEcg: if it breaks the schema.
    """
    decode_content = packed.decode_content if media_type == packed.CONTENT_TYPE else plain.decode_content
    return decode_content(value, only_known=True)


def media_type_of(content_type: str | None) -> str:
    """Return the media type in a `content-type` header, without its parameters; that of JSON without the header."""
    return (content_type or plain.CONTENT_TYPE).partition(";")[0].strip().lower()
