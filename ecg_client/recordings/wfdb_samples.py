"""Samples in the storage formats of WFDB (WFDB manual, signal(5))."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.content import Blocks
from ecg_client.recordings.recording import UnreadableRecording

Stored = NDArray[np.signedinteger]


@dataclass(frozen=True)
class Format:
    """A storage format: the number of samples in a number of bytes, the marker of a missing sample, and a decoder.

    Each `group`, a number of samples in a number of bytes, can be decoded without the bytes before it.
    """

    group: tuple[int, int]
    samples_in: Callable[[int], int]
    missing: int | None
    decode: Callable[[bytes], Stored]

    def read(self, content: Blocks, offset: int, first: int, count: int) -> Stored:
        """Return `count` samples from `first` on, shape (count,); the samples of the file begin at byte `offset`."""
        samples, size = self.group
        begin, end = first // samples, -(-(first + count) // samples)
        stored = self.decode(content.read(offset + begin * size, (end - begin) * size))
        return stored[first - begin * samples :][:count]


def _whole(width: int, decode: Callable[[bytes], Stored], missing: int | None) -> Format:
    return Format((1, width), lambda size: size // width, missing, decode)


def _read(dtype: str) -> Callable[[bytes], Stored]:
    width = np.dtype(dtype).itemsize
    return lambda content: np.frombuffer(content[: len(content) // width * width], dtype)


def _format_24(content: bytes) -> Stored:
    stored = np.frombuffer(content[: len(content) // 3 * 3], np.uint8).reshape(-1, 3)
    padded = np.zeros((len(stored), 4), np.uint8)
    padded[:, 1:] = stored
    return padded.view("<i4").reshape(-1) >> 8


def _format_80(content: bytes) -> Stored:
    return (np.frombuffer(content, np.uint8).astype(np.int16) - 128).astype(np.int16)


def _format_160(content: bytes) -> Stored:
    return np.frombuffer(content[: len(content) // 2 * 2], "<u2").astype(np.int32) - 32768


def _format_212(content: bytes) -> Stored:
    """Two samples of 12 bits in three bytes."""
    padded = np.frombuffer(content + bytes(-len(content) % 3), np.uint8).reshape(-1, 3).astype(np.int16)
    pairs = np.stack([padded[:, 0] | (padded[:, 1] & 0x0F) << 8, padded[:, 2] | (padded[:, 1] & 0xF0) << 4], axis=1)
    return _signed(pairs.reshape(-1)[: _samples_212(len(content))], 12)


def _samples_212(size: int) -> int:
    return size // 3 * 2 + (size % 3 == 2)  # noqa: PLR2004 - two bytes hold one sample


def _format_310(content: bytes) -> Stored:
    """Three samples of 10 bits in two words of 16 bits: ten bits of each word, and the rest of both."""
    words = np.frombuffer(content + bytes(-len(content) % 4), "<u2").reshape(-1, 2).astype(np.int16)
    first, second = words[:, 0], words[:, 1]
    third = (first >> 11 & 0x1F) | (second >> 11 & 0x1F) << 5
    triples = np.stack([first >> 1 & 0x3FF, second >> 1 & 0x3FF, third], axis=1)
    return _signed(triples.reshape(-1)[: _samples_310(len(content))], 10)


def _samples_310(size: int) -> int:
    # The first word holds one sample, both hold three.
    return size // 4 * 3 + (size % 4 >= 2)  # noqa: PLR2004


def _format_311(content: bytes) -> Stored:
    """Three samples of 10 bits in the lower 30 bits of a word of 32."""
    words = np.frombuffer(content + bytes(-len(content) % 4), "<u4").reshape(-1)
    triples = np.stack([words & 0x3FF, words >> 10 & 0x3FF, words >> 20 & 0x3FF], axis=1).astype(np.int16)
    return _signed(triples.reshape(-1)[: _samples_311(len(content))], 10)


def _samples_311(size: int) -> int:
    return size // 4 * 3 + (0, 0, 1, 2)[size % 4]


def _signed(values: NDArray[np.int16], bits: int) -> Stored:
    return np.where(values >= 1 << bits - 1, values - (1 << bits), values).astype(np.int16)


FORMATS = {
    "8": _whole(1, _read("<i1"), None),
    "16": _whole(2, _read("<i2"), -(2**15)),
    "24": _whole(3, _format_24, -(2**23)),
    "32": _whole(4, _read("<i4"), -(2**31)),
    "61": _whole(2, _read(">i2"), -(2**15)),
    "80": _whole(1, _format_80, -(2**7)),
    "160": _whole(2, _format_160, -(2**15)),
    "212": Format((2, 3), _samples_212, -(2**11), _format_212),
    "310": Format((3, 4), _samples_310, -(2**9), _format_310),
    "311": Format((3, 4), _samples_311, -(2**9), _format_311),
}
# FLAC formats, and their largest number of bits per sample.
FLAC = {"508": 8, "516": 16, "524": 24}
DIFFERENCES = "8"
# The first block of a FLAC file ends with the checksum of its samples, or zeros. Tags may come before it.
_FLAC_MAGIC = b"fLaC"
_FLAC_DIGEST = slice(26, 42)


def missing_marker(code: str) -> int | None:
    """Return the value that marks a missing sample in a format, or None for format 8, which has no marker."""
    return -(2 ** (FLAC[code] - 1)) if code in FLAC else FORMATS[code].missing


def decode_flac(content: bytes, code: str, channels: int, name: str) -> Stored:
    """Return the samples of a FLAC file, shape (samples, channels).

    Raises:
        UnreadableRecording: if it is not FLAC or is damaged, or its channels or bits per sample contradict the record's
            header.
    """
    try:
        import soundfile  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableRecording("reading FLAC files needs the package soundfile: pip install soundfile") from None
    try:
        with soundfile.SoundFile(BytesIO(content)) as file:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(file.subtype)
            if file.format != "FLAC" or bits is None:
                raise UnreadableRecording(f"{name} is not a FLAC file")
            if bits > FLAC[code]:
                raise UnreadableRecording(f"{name} has samples of {bits} bits, and its header says {FLAC[code]}")
            if file.channels != channels:
                raise UnreadableRecording(f"{name} has {file.channels} channels, and its header says {channels}")
            blocks = [np.zeros((0, channels), np.int32)]
            # libsndfile reads only a part of blocks over 2^24 samples (its issue 431).
            while len(block := file.read(1 << 20, dtype="int32", always_2d=True)):
                blocks.append(block >> 32 - bits)
    except soundfile.SoundFileError:
        raise UnreadableRecording(f"{name} is not a FLAC file, or is broken") from None
    samples = np.concatenate(blocks)
    # libsndfile passes over frames that it cannot decode.
    digest = content[_FLAC_DIGEST] if content.startswith(_FLAC_MAGIC) else b""
    if any(digest) and digest != _digest(samples, bits // 8):
        raise UnreadableRecording(f"{name} is broken: its samples do not have its checksum")
    return samples


def _digest(samples: Stored, width: int) -> bytes:
    """Return FLAC's checksum of samples of a number of bytes (RFC 9639, section 8.2)."""
    stored = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    return hashlib.md5(stored.tobytes(), usedforsecurity=False).digest()
