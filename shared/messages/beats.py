"""The beats of a recording: in a segment, in a minute, and in all samples so far."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """The beats of a segment. All sample indices count from the recording's first sample.

    Attributes:
        first: the first sample of the segment.
        end: the sample after the last one: the end on the grid of segments, or the recording's end.
        beats: the sample index of the centre of each QRS complex, ascending.
        levels: the level of each lead's complexes, in the lead's units squared; 0 for a lead without complexes, empty
            if no lead has any. It depends only on the samples in the segment's window.
        gaps: the ranges that are absent on all leads on which beats are searched, `(first, count)` each, ascending.
    """

    first: int
    end: int
    beats: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()


class Pause(msgspec.Struct, frozen=True):
    """A time with signal and without a beat."""

    first_sample: Annotated[
        int,
        Meta(
            title="begin of the pause",
            description="sample index of the beat before it, or where the signal begins",
            extra={"unit": "samples"},
        ),
    ]
    seconds: Annotated[
        float,
        Meta(
            title="length of the pause",
            description="up to the next beat, or to where the signal ends",
            extra={"unit": "s"},
        ),
    ]


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The number of beats and the heart rates in some time. Rates are None without two beats with no gap between."""

    number_of_beats: Annotated[int, Meta(title="beats", description="QRS complexes found", ge=0, extra={"unit": "1"})]
    mean_rate: Annotated[
        float | None,
        Meta(title="heart rate", description="mean heart rate", extra={"unit": "/min", "loinc": "8867-4"}),
    ] = None
    least_rate: Annotated[
        float | None,
        Meta(
            title="lowest heart rate",
            description="lowest heart rate over eight successive RR intervals, or over all if there are no eight",
            extra={"unit": "/min"},
        ),
    ] = None
    most_rate: Annotated[
        float | None,
        Meta(
            title="highest heart rate",
            description="highest heart rate over eight successive RR intervals, or over all if there are no eight",
            extra={"unit": "/min"},
        ),
    ] = None
    longest_pause: Annotated[
        Pause | None,
        Meta(
            title="longest pause",
            description="longest time with signal and without a beat, also before the first and after the last one",
        ),
    ] = None


class Summary(Rates, frozen=True, kw_only=True):
    """The beats of a recording so far."""

    complete_until: Annotated[
        int,
        Meta(
            title="beats complete until",
            description="beats are found in the samples before this one; 0 until samples have been searched",
            ge=0,
            extra={"unit": "samples"},
        ),
    ]
    rate_now: Annotated[
        float | None,
        Meta(
            title="heart rate now",
            description="heart rate over the last eight RR intervals, or over as many as there are since a gap; none "
            "if the last beat is ten seconds ago or longer",
            extra={"unit": "/min"},
        ),
    ] = None


class Minute(Rates, frozen=True, kw_only=True):
    """A minute of a recording: its segments, and the rates of their beats.

    It depends only on its own segments: intervals and pauses across its borders count only in the totals.
    """

    minute: int
    segments: tuple[Segment, ...]

    @property
    def beats(self) -> list[int]:
        """The beats as sample indices of the recording, ascending."""
        return [beat for segment in self.segments for beat in segment.beats]


_minute_encoder = msgspec.json.Encoder()
_minute_decoder = msgspec.json.Decoder(Minute)


def encode_minute(minute: Minute) -> bytes:
    """Encode the row of a minute."""
    return _minute_encoder.encode(minute)


def decode_minute(row: bytes) -> Minute:
    """Decode the row of a minute.

    Raises:
        msgspec.DecodeError: if the bytes are not such a row.
    """
    return _minute_decoder.decode(row)
