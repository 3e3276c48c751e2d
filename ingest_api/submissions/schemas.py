"""The wire formats of a submission."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, RootModel

from ingest_api.http.openapi import EXAMPLE_ID, INT64, LeadFields, PackedLead, Problem
from shared.ecg import JSON_SCHEMA
from shared.encoding import packed

_KEY: Final = {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", **_KEY},
    "description": "Makes it safe to send a submission again: the same key with the same content is the same ECG, on "
    "every gateway and at any time. The same key with different content is another ECG, and no error: gateways "
    "remember no keys, and derive the ECG's id from key and content. Two different keys in one request get 422.",
    "example": "recorder-7/2026-11-24/0001",
}


class LeadIn(LeadFields):
    """A lead of a submission."""

    number_of_samples: Annotated[
        int | None, Field(description="The signal's length, which is checked if it is given.")
    ] = None
    signal: Annotated[
        list[Annotated[int, Field(json_schema_extra=INT64)]],
        Field(description="Samples in ADC units, with the isoelectric line at zero."),
    ]


class EcgFields(BaseModel):
    """The fields of a submission in both encodings, without its leads."""

    model_config = ConfigDict(extra="forbid")

    date: Annotated[
        str | None, Field(description="When the ECG was recorded, in ISO 8601.", json_schema_extra=JSON_SCHEMA["date"])
    ] = None
    label: Annotated[
        str | None,
        Field(
            description="The owner's name for the ECG, such as its file's name. It is listed with the ECG, and sealed "
            "and erased with it. The same content and idempotency key with another label are the same ECG.",
            json_schema_extra=JSON_SCHEMA["label"],
        ),
    ] = None
    sampling_rate: Annotated[
        float | None,
        Field(description="Samples per second, if known.", json_schema_extra=JSON_SCHEMA["sampling rate"]),
    ] = None


_EXAMPLE: Final[dict[str, Any]] = {"date": "2026-11-24T10:00:00Z", "sampling_rate": 500}


class EcgIn(EcgFields):
    """A submission."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "leads": [
                        {"name": "I", "number_of_samples": 8, "adc_gain": 200, "signal": [1, 0, -1, 0, 1, 0, 0, 1]},
                        {"name": "II", "signal": [1, 0, -1]},
                    ],
                }
            ]
        },
    )

    leads: Annotated[list[LeadIn], Field(json_schema_extra=JSON_SCHEMA["leads"])]


class PackedEcgIn(EcgFields):
    """A submission in the packed encoding: a map in MessagePack."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "leads": [
                        {"name": "I", "dtype": "int8", "adc_gain": 200, "signal": "AQD/AAEAAAE="},
                        {"name": "II", "dtype": "int16", "signal": "AQAAAP//"},
                    ],
                }
            ]
        },
    )

    leads: Annotated[list[PackedLead], Field(json_schema_extra=JSON_SCHEMA["leads"])]


class BatchedEcgIn(PackedEcgIn):
    """A submission of a batch."""

    idempotency_key: Annotated[
        str | None,
        Field(description="As the header of a single submission.", json_schema_extra=dict(_KEY)),
    ] = None


class Batch(RootModel[list[BatchedEcgIn]]):
    """Several submissions in the packed encoding: a list in MessagePack."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                [
                    {
                        **_EXAMPLE,
                        "idempotency_key": "recorder-7/2026-11-24/0001",
                        "leads": [{"name": "I", "dtype": "int8", "signal": "AQD/AAEAAAE="}],
                    },
                    {"leads": [{"name": "II", "dtype": "int16", "signal": "AQAAAP//"}]},
                ]
            ]
        },
    )

    root: Annotated[list[BatchedEcgIn], Field(min_length=1, max_length=packed.MAX_BATCH)]


class EcgId(BaseModel):
    """The id of an accepted ECG."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]


class RefusedEcg(Problem):
    """A submission of a batch that is refused."""

    status: Annotated[int, Field(description="The status that it would get as a single submission.")]
    retry_after: Annotated[
        int | None, Field(description="Seconds to wait before sending it again, if that may help.")
    ] = None


class BatchAnswer(BaseModel):
    """The outcomes of a batch's submissions, in their order."""

    ecgs: list[EcgId | RefusedEcg]
