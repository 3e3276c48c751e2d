"""The bytes and the text of a file, and whether there is one."""

import errno
import os
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ecg_client.recordings.recording import UnreadableRecording

_GZIP = b"\x1f\x8b"
# gzip shrinks signals to a quarter and text to a tenth. A file that grows far more is made to fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20
_GZIP_WINDOW = 31
# There is no file with a name that is too long for the system, or that it does not allow.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EBADF, errno.ENAMETOOLONG, errno.EINVAL})


def mode_of(path: Path) -> int | None:
    """Return the mode of the file or directory at a path, or None if there is none.

    Raises:
        UnreadableRecording: if the system does not say, because a directory above may not be searched.
    """
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise UnreadableRecording(error.strerror or str(error)) from None
    except ValueError:  # a zero byte
        return None


def is_file(path: Path) -> bool:
    """Return True if there is a file at a path; raises as `mode_of` does."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISREG(mode)


def is_directory(path: Path) -> bool:
    """Return True if there is a directory at a path; raises as `mode_of` does."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISDIR(mode)


@dataclass(frozen=True)
class Blocks:
    """A file that is read block by block: its size in bytes, and a function that returns `count` bytes from `first` on.

    At the end of the file the function returns fewer bytes, as slices do.
    """

    size: int
    read: Callable[[int, int], bytes]


def open_blocks(path: Path) -> Blocks:
    """Return a file to be read block by block; a file of gzip is unzipped into memory.

    Raises:
        UnreadableRecording: as `read_bytes` does; a read raises it too if the file has changed since.
    """
    try:
        with path.open("rb") as file:
            is_zipped, state = file.read(len(_GZIP)) == _GZIP, _state(file)
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    if is_zipped:
        content = read_bytes(path)
        return Blocks(len(content), lambda first, count: content[first : first + count])
    return Blocks(state[0], partial(_block, path, state))


def _block(path: Path, state: tuple[int, int], first: int, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(first)
            content = file.read(count)
            is_same = _state(file) == state
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    # Blocks of two versions of a file would make a recording that never existed.
    if not is_same or len(content) != max(0, min(count, state[0] - first)):
        raise UnreadableRecording(f"{path.name} was changed while it was read")
    return content


def _state(file: BinaryIO) -> tuple[int, int]:
    """Return the size of a file, and when it was changed last."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unzipped if it is gzip.

    Raises:
        UnreadableRecording: if it cannot be read, is broken gzip, or unzips to far more than its size.
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
        raise UnreadableRecording(f"{name} unzips to more than {_MOST_GROWTH} times its size: unzip it first")
    if not unzip.eof or unzip.unused_data:
        raise _broken(name)
    return unzipped


def _broken(name: str) -> UnreadableRecording:
    return UnreadableRecording(f"{name} is broken gzip, or has several parts: unzip it first")


def text_of(content: bytes) -> tuple[str, bool]:
    """Return bytes as text, and True if it is Latin-1: UTF-8 is tried first.

    Raises:
        UnreadableRecording: if the bytes are not text.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), False
            except UnicodeDecodeError:
                raise UnreadableRecording("is not text") from None
    if b"\0" in content:
        raise UnreadableRecording("is not text")
    try:
        return content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return content.decode("latin-1"), True
