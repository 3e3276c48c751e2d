"""The wire formats of recordings."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.openapi import EXAMPLE_ID, EXAMPLE_TIME, LeadDescription, PackedLead
from ingest_api.queries.schemas import StoredLead
from ingest_api.submissions.schemas import LeadIn
from shared.chunk import MAX_LEADS, MAX_SECONDS
from shared.ecg import JSON_SCHEMA

MINUTES_OF_A_PAGE: Final = 1440
_DAYS: Final = f"{MAX_SECONDS / 86_400:.0f} days"
_LEADS: Final = JSON_SCHEMA["leads"] | {"maxItems": MAX_LEADS}
_ACCEPTED: Final = "2026-11-24T10:00:00.123Z"

EXAMPLE_CHUNK: Final = {"id": EXAMPLE_ID, "first_sample": 500, "number_of_samples": 500}
_REACHED: Final[dict[str, Any]] = {
    "number_of_samples": 86_000,
    "complete_until": 85_500,
    "final": False,
    "revision": 0,
}
_DESCRIBED: Final[dict[str, Any]] = {
    "id": EXAMPLE_ID,
    "label": "bed 7",
    "date": EXAMPLE_TIME,
    "accepted_at": _ACCEPTED,
    "sampling_rate": 500.0,
    **_REACHED,
}
_EXAMPLE_LEADS: Final = [{"name": "II", "adc_gain": 1000.0, "number_of_zero_crossings": 1184}]
_RATES: Final = {
    "number_of_beats": 3,
    "mean_rate": 68.18,
    "least_rate": 68.18,
    "most_rate": 68.18,
    "longest_pause": {"first_sample": 640, "seconds": 0.9},
}
EXAMPLE_INSIGHTS: Final = {
    **_DESCRIBED,
    "username": "st-marys",
    "gaps": [[5000, 500]],
    "refused": {"number": 1, "latest": ["sampling_rate: must be that of the recording, 500.0"]},
    "leads": _EXAMPLE_LEADS,
    "beats": _RATES | {"complete_until": 5000, "rate_now": 68.18},
}
# Without nulls, because FastAPI leaves them out of its document.
EXAMPLE_LIST: Final = {
    "username": "st-marys",
    "recordings": [
        {
            "id": EXAMPLE_ID,
            "accepted_at": _ACCEPTED,
            "number_of_samples": 0,
            "complete_until": 0,
            "final": False,
            "revision": 0,
            "date": EXAMPLE_TIME,
            "error": "leads: must hold at most 64 leads in a recording, not 65",
            "leads": [],
        }
    ],
    "next": "AAABk1...",
}
EXAMPLE_MINUTES: Final = {
    "id": EXAMPLE_ID,
    "minutes": [_RATES | {"minute": 0, "beats": [210, 640, 1090]}],
    "next": 1440,
}
EXAMPLE_SIGNALS: Final = {
    "id": EXAMPLE_ID,
    "sampling_rate": 500.0,
    "first_sample": 5000,
    "number_of_samples": 3,
    "leads": [{"name": "II", "number_of_samples": 3, "adc_gain": 1000.0, "missing": [[1, 1]], "signal": [1, 0, -1]}],
}
EXAMPLE_PACKED_SIGNALS: Final = EXAMPLE_SIGNALS | {
    "leads": [{"name": "II", "dtype": "int8", "signal": "AQD/", "adc_gain": 1000.0, "missing": [[1, 1]]}]
}


class AnnouncedLead(LeadDescription):
    """A lead of a recording, without samples."""


class _RecordingFields(BaseModel):
    """The fields that describe a recording."""

    model_config = ConfigDict(extra="forbid")

    sampling_rate: Annotated[
        float, Field(description="Samples per second.", json_schema_extra=JSON_SCHEMA["sampling rate"])
    ]
    date: Annotated[
        str | None,
        Field(description="When the recording began, in ISO 8601.", json_schema_extra=JSON_SCHEMA["date"]),
    ] = None
    label: Annotated[
        str | None,
        Field(
            description="The owner's name for the recording. It is listed with it, and sealed and erased with it.",
            json_schema_extra=JSON_SCHEMA["label"],
        ),
    ] = None


class RecordingIn(_RecordingFields):
    """The announcement of a recording."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "date": EXAMPLE_TIME,
                    "sampling_rate": 500,
                    "label": "bed 7",
                    "leads": [{"name": "I", "adc_gain": 1000}, {"name": "II", "adc_gain": 1000}],
                }
            ]
        },
    )

    leads: Annotated[list[AnnouncedLead], Field(json_schema_extra=_LEADS)]


class _ChunkFields(_RecordingFields):
    """The fields of a chunk in both encodings, without its leads."""

    first_sample: Annotated[
        int,
        Field(
            ge=0,
            description="The index of the chunk's first sample in the recording, from 0. No sample may lie beyond "
            f"{_DAYS}, the longest recording.",
        ),
    ]


_CHUNK_LEADS: Final = (
    "All leads of the recording, in its order and with its gains. All have the same number of samples."
)


class ChunkIn(_ChunkFields):
    """A chunk of a recording."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first_sample": 500,
                    "sampling_rate": 500,
                    "leads": [
                        {"name": "I", "adc_gain": 1000, "signal": [1, 0, -1, 0]},
                        {"name": "II", "adc_gain": 1000, "signal": [3, 2, -2, -3]},
                    ],
                }
            ]
        },
    )

    leads: Annotated[list[LeadIn], Field(description=_CHUNK_LEADS, json_schema_extra=_LEADS)]


class PackedChunkIn(_ChunkFields):
    """A chunk of a recording in the packed encoding: a map in MessagePack."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first_sample": 500,
                    "sampling_rate": 500,
                    "leads": [
                        {"name": "I", "dtype": "int8", "adc_gain": 1000, "signal": "AQD/AA=="},
                        {"name": "II", "dtype": "int8", "adc_gain": 1000, "signal": "AwL+/Q=="},
                    ],
                }
            ]
        },
    )

    leads: Annotated[list[PackedLead], Field(description=_CHUNK_LEADS, json_schema_extra=_LEADS)]


class EndIn(BaseModel):
    """The end of a recording."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"number_of_samples": 86_000}]})

    number_of_samples: Annotated[
        int,
        Field(ge=0, description="The number of samples of each lead, missing ones included."),
    ]


class RecordingId(BaseModel):
    """The id of a recording."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]


class AcceptedChunk(RecordingId):
    """The place of accepted samples."""

    first_sample: int
    number_of_samples: int


class AcceptedEnd(RecordingId):
    """The end of a recording as accepted."""

    number_of_samples: int


class _Recording(RecordingId):
    """The progress of a recording."""

    label: Annotated[
        str | None, Field(description="The owner's label; left out if there is none.", examples=["bed 7"])
    ] = None
    date: Annotated[str | None, Field(description="When the recording began, if known.")]
    accepted_at: Annotated[
        str,
        Field(
            description="When the recording was first accepted, by the broker's clock. Clients cannot choose it.",
            examples=[_ACCEPTED],
        ),
    ]
    sampling_rate: Annotated[
        float | None,
        Field(description="Samples per second; left out if the recording could not be processed.", examples=[500.0]),
    ] = None
    number_of_samples: Annotated[
        int, Field(ge=0, description="The number of samples of each lead so far, missing ones included.")
    ]
    complete_until: Annotated[
        int,
        Field(
            ge=0,
            description="Every sample before this one has arrived, or is in a gap. A sample that arrives for a gap is "
            "still used, and `revision` grows.",
        ),
    ]
    final: Annotated[bool, Field(description="True once the end of the recording is processed.")]
    revision: Annotated[
        int, Field(ge=0, description="The number of chunks that arrived after their place had become a gap.")
    ]


class LeadOfRecording(BaseModel):
    """The insights of a lead of a recording."""

    name: Annotated[str, Field(examples=["II"])]
    adc_gain: Annotated[float | None, Field(description="ADC units per millivolt, if known.")]
    number_of_zero_crossings: Annotated[
        int,
        Field(
            ge=0,
            description="The zero crossings in the samples so far; missing samples count as 0.",
            examples=[1184],
        ),
    ]


class Refused(BaseModel):
    """The messages of a recording that were refused after they had been accepted."""

    number: Annotated[int, Field(ge=0)]
    latest: Annotated[list[str], Field(description="The reasons of the latest ones.")]


class Pause(BaseModel):
    """A time with signal and without a beat."""

    first_sample: Annotated[int, Field(description="Sample index of the beat before it, or where the signal begins.")]
    seconds: Annotated[float, Field(description="Up to the next beat, or to where the signal ends.")]


class Rates(BaseModel):
    """The number of beats, and heart rates in beats per minute: null without two beats with no gap between."""

    number_of_beats: Annotated[int, Field(description="QRS complexes found.", ge=0)]
    mean_rate: float | None
    least_rate: Annotated[
        float | None, Field(description="Over eight successive RR intervals, or over all if there are no eight.")
    ]
    most_rate: Annotated[float | None, Field(description="Likewise.")]
    longest_pause: Annotated[
        Pause | None,
        Field(
            description="The longest time with signal and without a beat, also before the first and after the last one."
        ),
    ]


class Beats(Rates):
    """The beats of a recording so far. Not a diagnosis."""

    complete_until: Annotated[
        int,
        Field(
            description="Beats are found in the samples before this one. While it is 0, nothing is known of beats.",
            ge=0,
        ),
    ]
    rate_now: Annotated[
        float | None,
        Field(
            description="Over the last eight RR intervals, or as many as there are since a gap; null if the last beat "
            "is ten seconds ago or longer."
        ),
    ]


class Minute(Rates):
    """The beats of a minute."""

    minute: Annotated[int, Field(description="Its number; that of the first sample is 0.", ge=0)]
    beats: Annotated[list[int], Field(description="Sample indices in the recording, ascending.")]


class RecordingInsights(_Recording):
    """The insights of a recording so far."""

    username: Annotated[str, Field(examples=["st-marys"])]
    gaps: Annotated[
        list[list[int]],
        Field(
            description="The missing samples before `complete_until`, `[first, count]` each.",
            json_schema_extra=JSON_SCHEMA["missing"],
        ),
    ]
    refused: Refused
    leads: Annotated[list[LeadOfRecording], Field(description="In the order announced.")]
    beats: Annotated[Beats | None, Field(description="Left out if beats are not searched for.")] = None
    not_computed: Annotated[
        dict[str, str] | None, Field(description="Why beats are not searched for; left out if they are.")
    ] = None


class RecordingSummary(_Recording):
    """A recording of the caller."""

    error: Annotated[str | None, Field(description="Why the recording could not be processed, if it failed.")]
    leads: Annotated[list[LeadOfRecording], Field(description="In the order announced. Empty if it failed.")]


class RecordingList(BaseModel):
    """A page of the caller's recordings, the latest accepted first."""

    username: Annotated[str, Field(description="The user whose token was sent.", examples=["st-marys"])]
    recordings: list[RecordingSummary]
    next: Annotated[str | None, Field(description="The cursor of the next page, or null after the last recording.")]


class Minutes(RecordingId):
    """Minutes of a recording."""

    minutes: Annotated[list[Minute], Field(description="In order. Minutes that have not been computed are left out.")]
    next: Annotated[int | None, Field(description="`from` of the next page, or null after the last minute.")]


class _SamplesFields(RecordingId):
    """The place of samples of a recording."""

    sampling_rate: float
    first_sample: int
    number_of_samples: int


class Samples(_SamplesFields):
    """Samples of a recording."""

    leads: list[StoredLead]


class PackedSamples(_SamplesFields):
    """Samples of a recording in the packed encoding."""

    leads: list[PackedLead]
