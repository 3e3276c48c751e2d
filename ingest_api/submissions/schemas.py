"""The wire formats of a submission."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.openapi import EXAMPLE_ID, INT64
from shared.ecg import JSON_SCHEMA

IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Makes it safe to send a submission again: the same key with the same content is the same ECG, on "
    "every gateway and at any time. The same key with different content is another ECG, and no error: gateways "
    "remember no keys, and derive the ECG's id from key and content.",
    "example": "recorder-7/2026-11-24/0001",
}


class LeadIn(BaseModel):
    """A lead of a submission."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            description="The lead's name. Several leads may have the same one, as on rhythm strips.",
            json_schema_extra=JSON_SCHEMA["lead name"],
        ),
    ]
    number_of_samples: Annotated[
        int | None, Field(description="The signal's length, which is checked if it is given.")
    ] = None
    adc_gain: Annotated[
        float | None,
        Field(description="ADC units per millivolt, if known.", json_schema_extra=JSON_SCHEMA["adc gain"]),
    ] = None
    missing: Annotated[
        list[list[int]] | None,
        Field(
            description="Ranges of samples that were not recorded, `[first, count]` each, ascending and without "
            "overlap. The samples there must be 0, and zero crossings count them as 0.",
            json_schema_extra=JSON_SCHEMA["missing"],
        ),
    ] = None
    signal: Annotated[
        list[Annotated[int, Field(json_schema_extra=INT64)]],
        Field(description="Samples in ADC units, with the isoelectric line at zero."),
    ]


class EcgIn(BaseModel):
    """A submission."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "date": "2026-11-24T10:00:00Z",
                    "sampling_rate": 500,
                    "leads": [
                        {"name": "I", "number_of_samples": 8, "adc_gain": 200, "signal": [1, 0, -1, 0, 1, 0, 0, 1]},
                        {"name": "II", "signal": [1, 0, -1]},
                    ],
                }
            ]
        },
    )

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
    leads: Annotated[list[LeadIn], Field(json_schema_extra=JSON_SCHEMA["leads"])]


class EcgId(BaseModel):
    """The id of an accepted ECG."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
