"""The bytes and the text of a file."""

import zlib
from pathlib import Path

from ecg_client.recordings.recording import UnreadableRecording

_GZIP = b"\x1f\x8b"
# Signals shrink to a quarter, text to a tenth. What grows far beyond is made to fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20
_GZIP_WINDOW = 31


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, uncompressed where it is gzipped.

    Raises:
        UnreadableRecording: if it cannot be read, or is broken gzip, or grows beyond all measure.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    return _unzipped(content, path.name) if content.startswith(_GZIP) else content


def _unzipped(content: bytes, name: str) -> bytes:
    limit = max(_LEAST_LIMIT, _MOST_GROWTH * len(content))
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unzipped = unzip.decompress(content, limit + 1)
    except zlib.error:
        raise _broken(name) from None
    if len(unzipped) > limit:
        raise UnreadableRecording(f"{name} grows to more than {_MOST_GROWTH} times its size: unzip it first")
    if not unzip.eof or unzip.unused_data:
        raise _broken(name)
    return unzipped


def _broken(name: str) -> UnreadableRecording:
    return UnreadableRecording(f"{name} is broken gzip, or of several parts: unzip it first")


def text_of(content: bytes) -> tuple[str, bool]:
    """Return the text that bytes hold, and whether it is Latin-1, which UTF-8 is tried before.

    Raises:
        UnreadableRecording: if they hold no text.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), False
            except UnicodeDecodeError:
                raise UnreadableRecording("is no text") from None
    if b"\0" in content:
        raise UnreadableRecording("is no text")
    try:
        return content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return content.decode("latin-1"), True
