"""Recordings: what a row holds of one that arrives in chunks, and the rows of its parts."""

from typing import Final

import msgspec

from shared.ranges import outside

MAX_RUNS: Final = 1000
"""The most pieces, with holes between them, that a recording may consist of at a time."""

CHUNK, MINUTE, HOUR = "c", "m", "h"
_DIGITS = 16


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Samples that have come, from `first` to before `end`, without a hole.

    `since` is the time at which the first of them came, in milliseconds of Unix time by the broker's clock. `opens` and
    `closes` are the signs of the first and the last sample of each lead, as characters `+`, `-` and `0`.
    """

    first: int
    end: int
    since: int
    opens: str
    closes: str


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a recording has come.

    `runs` are the samples that have come, ascending and apart. Every sample before `settled` has come or is in a gap: a
    hole that is not waited for any more. `total` is the number of samples once the recording has ended. `revision`
    counts the chunks that came after their place had become a gap. `crossings` are the zero crossings within the runs,
    for each lead, `gains` the ADC gains. `begun` is the offset of the recording's first message, `detector` what the
    worker needs to find the next beats. `refused` counts the messages that were refused, `refusals` has the reasons of
    the latest ones.
    """

    begun: int = -1
    gains: list[float | None] = []
    runs: list[Run] = []
    crossings: list[int] = []
    settled: int = 0
    total: int | None = None
    revision: int = 0
    refused: int = 0
    refusals: list[str] = []
    detector: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def end(self) -> int:
        """The number of samples of the recording so far, with its holes."""
        return self.total if self.total is not None else self.runs[-1].end if self.runs else 0

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The gaps, as first sample and number of samples."""
        holes = outside(((run.first, run.end) for run in self.runs), 0, self.end)
        return [(first, end - first) for first, end in holes if end <= self.settled]

    @property
    def zero_crossings(self) -> list[int]:
        """The zero crossings of each lead, as of an ECG whose absent samples are zeros."""
        counts = list(self.crossings)
        for run in self.runs:
            if run.end < self.end:
                counts = [count + (sign != "0") for count, sign in zip(counts, run.closes, strict=True)]
        return counts


class ChunkPlace(msgspec.Struct, frozen=True):
    """Where `count` samples from `first` on are: in the record at `offset`, whose first sample is `begin`."""

    first: int
    count: int
    offset: int
    begin: int


_encoder = msgspec.json.Encoder()
_place_decoder = msgspec.json.Decoder(ChunkPlace)


def part_key(recording_id: bytes, kind: str, number: int) -> bytes:
    """Return the key of a part's row. Keys of a kind are in the order of their numbers."""
    return parts_prefix(recording_id, kind) + f"{number:0{_DIGITS}x}".encode()


def parts_prefix(recording_id: bytes, kind: str = "") -> bytes:
    """Return what the keys of all parts of a recording begin with, or those of a kind; no id holds a slash."""
    return recording_id + b"/" + kind.encode()


def is_part(key: bytes | None) -> bool:
    """Return True if a key of the table is that of a part of a recording."""
    return key is not None and b"/" in key


def encode_place(place: ChunkPlace) -> bytes:
    """Encode the row of a chunk."""
    return _encoder.encode(place)


def decode_place(row: bytes) -> ChunkPlace:
    """Decode the row of a chunk.

    Raises:
        msgspec.DecodeError: if it is none.
    """
    return _place_decoder.decode(row)
