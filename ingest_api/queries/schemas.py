"""The wire formats of queries: insights, the list of a user's ECGs, and an ECG as it was submitted."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.openapi import EXAMPLE_ID, EXAMPLE_TIME, INT64
from ingest_api.http.prefer_header import MAX_WAIT_SECONDS
from shared.ecg import JSON_SCHEMA

PREFER: Final[dict[str, Any]] = {
    "name": "prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N` (RFC 7240): the answer comes as soon as the insights are there, or after N seconds, at "
    f"most {MAX_WAIT_SECONDS}. `Preference-Applied` in a 200 or 202 confirms that. If too many requests wait, the "
    "gateway answers at once.",
    "example": "wait=10",
}
EXAMPLE_INSIGHTS: Final = {
    "ecg_id": EXAMPLE_ID,
    "leads": [{"name": "I", "number_of_zero_crossings": 3}, {"name": "II", "number_of_zero_crossings": 1}],
}
_EXAMPLE_ACCEPTED = "2026-11-24T10:00:00.123Z"
# Without nulls, because FastAPI leaves them out of its document.
EXAMPLE_LIST: Final = {
    "ecgs": [
        {
            "id": EXAMPLE_ID,
            "label": "rest.edf",
            "date": EXAMPLE_TIME,
            "accepted_at": _EXAMPLE_ACCEPTED,
            "status": "failed",
            "error": "leads: an insight could not be computed (ValueError)",
            "leads": [],
        }
    ],
    "next": "AAABk1...",
}
EXAMPLE_ECG: Final = {
    "id": EXAMPLE_ID,
    "label": "rest.edf",
    "date": EXAMPLE_TIME,
    "accepted_at": _EXAMPLE_ACCEPTED,
    "sampling_rate": 500.0,
    "leads": [{"name": "II", "number_of_samples": 3, "adc_gain": 1000.0, "signal": [1, 0, -1]}],
}

_ACCEPTED_AT = "When the ECG was first accepted, by the broker's clock. Clients cannot choose it."


class LeadInsights(BaseModel):
    """The insights of one lead."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(examples=["I"])]
    number_of_zero_crossings: Annotated[int, Field(ge=0, examples=[3])]


class EcgInsights(BaseModel):
    """The insights of an ECG, its leads in the order submitted."""

    ecg_id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    leads: list[LeadInsights]


class LeadSummary(LeadInsights):
    """A lead of a listed ECG, with its insights."""

    number_of_samples: Annotated[int, Field(ge=0, examples=[5000])]


class EcgSummary(BaseModel):
    """A processed ECG of the caller."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    label: Annotated[
        str | None, Field(description="The owner's label; left out if there is none.", examples=["rest.edf"])
    ] = None
    date: Annotated[str | None, Field(description="When the ECG was recorded, if known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    status: Literal["done", "failed"]
    error: Annotated[str | None, Field(description="Why the ECG could not be processed, if it failed.")]
    leads: Annotated[list[LeadSummary], Field(description="In the order submitted. Empty if the ECG failed.")]


class EcgList(BaseModel):
    """A page of the caller's ECGs, the latest accepted first."""

    ecgs: list[EcgSummary]
    next: Annotated[str | None, Field(description="The cursor of the next page, or null after the last ECG.")]


class StoredLead(BaseModel):
    """A lead as it was submitted."""

    name: Annotated[str, Field(examples=["I"])]
    number_of_samples: int
    adc_gain: Annotated[float | None, Field(description="ADC units per millivolt, if known.")]
    missing: Annotated[
        list[list[int]] | None,
        Field(
            description="Ranges of samples that were not recorded, `[first, count]` each; left out if there are none. "
            "The samples there are 0, and zero crossings count them as 0.",
            json_schema_extra=JSON_SCHEMA["missing"],
        ),
    ] = None
    signal: list[Annotated[int, Field(json_schema_extra=INT64)]]


class StoredEcg(BaseModel):
    """An ECG as it was submitted."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    label: Annotated[
        str | None, Field(description="The owner's label; left out if there is none.", examples=["rest.edf"])
    ] = None
    date: Annotated[str | None, Field(description="When the ECG was recorded, if known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    sampling_rate: Annotated[float | None, Field(description="Samples per second, if known.")]
    leads: list[StoredLead]
