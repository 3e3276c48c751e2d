"""Recordings that arrive in chunks: the progress in their rows, and the rows of their parts."""

from typing import Final

import msgspec

from shared.ranges import outside

MAX_RUNS: Final = 1000
"""The largest number of runs, with holes between them, that a recording may have at a time."""

CHUNK, MINUTE, HOUR = "c", "m", "h"
_DIGITS = 16


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Samples that have arrived, from `first` to before `end`, without a hole.

    `since` is the time at which the earliest of them arrived, in milliseconds of Unix time by the broker's clock.
    `opens` and `closes` are the signs of the first and the last sample of each lead, as characters `+`, `-` and `0`.
    """

    first: int
    end: int
    since: int
    opens: str
    closes: str


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The progress of a recording.

    `runs` are the samples that have arrived, ascending and apart. Every sample before `settled` has arrived or is in a
    gap: a hole that is no longer waited for. `total` is the number of samples once the recording has ended. `revision`
    counts the chunks that arrived after their place had become a gap. `crossings` are the zero crossings of each lead
    within the runs, `gains` the ADC gains of the leads. `begun` is the offset of the recording's first message,
    `detector` the state of the worker's search for beats. `refused` counts the messages that were refused, and
    `refusals` has the reasons of the latest ones.
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
        """The number of zero crossings of each lead, counted as in an ECG whose absent samples are zeros."""
        counts = list(self.crossings)
        for run in self.runs:
            if run.end < self.end:
                counts = [count + (sign != "0") for count, sign in zip(counts, run.closes, strict=True)]
        return counts


class ChunkPlace(msgspec.Struct, frozen=True):
    """The place of `count` samples from `first` on: the record at `offset`, whose first sample is `begin`."""

    first: int
    count: int
    offset: int
    begin: int


_encoder = msgspec.json.Encoder()
_place_decoder = msgspec.json.Decoder(ChunkPlace)


def part_key(recording_id: bytes, kind: str, number: int) -> bytes:
    """Return the key of a part's row. The keys of a kind sort by their numbers."""
    return parts_prefix(recording_id, kind) + f"{number:0{_DIGITS}x}".encode()


def parts_prefix(recording_id: bytes, kind: str = "") -> bytes:
    """Return the prefix of the keys of a recording's parts, or of those of a kind. No id contains its slash."""
    return recording_id + b"/" + kind.encode()


def recording_of(part: bytes) -> bytes:
    """Return the key of the recording's row from the key of a part."""
    return part.partition(b"/")[0]


def is_part(key: bytes | None) -> bool:
    """Return True if a key of the table is that of a part of a recording."""
    return key is not None and b"/" in key


def encode_place(place: ChunkPlace) -> bytes:
    """Encode the row of a chunk."""
    return _encoder.encode(place)


def decode_place(row: bytes) -> ChunkPlace:
    """Decode the row of a chunk.

    Raises:
        msgspec.DecodeError: if the bytes are not such a row.
    """
    return _place_decoder.decode(row)
