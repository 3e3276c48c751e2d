"""The wire formats of queries: insights, the list of a user's ECGs, and an ECG as it was submitted."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.openapi import EXAMPLE_ID, EXAMPLE_TIME, INT64, PackedLead
from ingest_api.http.prefer_header import MAX_WAIT_SECONDS
from shared.ecg import JSON_SCHEMA
from shared.messages.catalogue import NO_DIAGNOSIS, catalogue

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
    "leads": [
        {
            "name": "II",
            "number_of_zero_crossings": 184,
            "quality": {"usable": True, "missing_fraction": 0.0, "flat_fraction": 0.0, "saturated_fraction": 0.0},
        }
    ],
    "sampling_rate": 500.0,
    "ecg": {
        "rhythm": {"number_of_beats": 3, "beats": [310, 727, 1145], "heart_rate_bpm": 71.86},
        "intervals": {
            "alike_beats": 3,
            "qrs_ms": 92.4,
            "qrs_spread_ms": 3.2,
            "qt_ms": 384.3,
            "qtc_fridericia_ms": 408.1,
            "absent": {"pr_ms": "no P wave that precedes the QRS complexes regularly"},
        },
    },
    "not_computed": {"lead_checks": "needs at least 2 s of recording"},
    "versions": {"number_of_zero_crossings": 1, "quality": 1, "rhythm": 3, "intervals": 4, "lead_checks": 1},
}
_EXAMPLE_ACCEPTED = "2026-11-24T10:00:00.123Z"
# Without nulls, because FastAPI leaves them out of its document.
EXAMPLE_LIST: Final = {
    "username": "st-marys",
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
EXAMPLE_PACKED_ECG: Final = EXAMPLE_ECG | {
    "leads": [{"name": "II", "dtype": "int8", "signal": "AQD/", "adc_gain": 1000.0}]
}

_ACCEPTED_AT = "When the ECG was first accepted, by the broker's clock. Clients cannot choose it."


def _lead_insights(schema: dict[str, Any]) -> None:
    """Add the insights of the catalogue to the schema of a lead."""
    schema["properties"] |= {insight.name: insight.schema for insight in catalogue().of_scope("lead")}


def _ecg_insights(schema: dict[str, Any]) -> None:
    """Add the insights of the catalogue to the schema of an answer."""
    insights = {insight.name: insight.schema for insight in catalogue().of_scope("ecg")}
    schema["properties"]["ecg"] |= {"type": "object", "properties": insights}


def _summary(schema: dict[str, Any]) -> None:
    """Add the measurements of the catalogue to the schema of a listed ECG."""
    schema["properties"]["summary"] |= {"type": "object", "properties": catalogue().summary}


def _lead_summary(schema: dict[str, Any]) -> None:
    """Add the insights of the catalogue that are a single value to the schema of a listed lead."""
    values = {insight.name: insight.schema for insight in catalogue().of_scope("lead") if "$ref" not in insight.schema}
    schema["properties"] |= values


_SUMMARY = f"The main measurements of the ECG, as far as there are any. {NO_DIAGNOSIS}"


class LeadInsights(BaseModel):
    """The insights of one lead."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_lead_insights)

    name: Annotated[str, Field(examples=["I"])]


class EcgInsights(BaseModel):
    """The insights of an ECG, its leads in the order submitted. An ECG without a sampling rate has only `leads`."""

    model_config = ConfigDict(json_schema_extra=_ecg_insights)

    ecg_id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    leads: list[LeadInsights]
    sampling_rate: Annotated[
        float | None,
        Field(description="Samples per second, to which sample indices refer; left out if unknown.", examples=[500.0]),
    ] = None
    ecg: Annotated[dict[str, Any], Field(description=f"The insights of the whole ECG, by name. {NO_DIAGNOSIS}")] = {}
    not_computed: Annotated[
        dict[str, str], Field(description="Why this ECG lacks an insight, by the name of the insight.")
    ] = {}
    versions: Annotated[dict[str, int], Field(description="The version of each insight, by name.")] = {}


class LeadSummary(BaseModel):
    """A lead of a listed ECG, with its insights that are a single value."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_lead_summary)

    name: Annotated[str, Field(examples=["I"])]
    number_of_samples: Annotated[int, Field(ge=0, examples=[5000])]


class EcgSummary(BaseModel):
    """A processed ECG of the caller."""

    model_config = ConfigDict(json_schema_extra=_summary)

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    label: Annotated[
        str | None, Field(description="The owner's label; left out if there is none.", examples=["rest.edf"])
    ] = None
    date: Annotated[str | None, Field(description="When the ECG was recorded, if known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    status: Literal["done", "failed"]
    error: Annotated[str | None, Field(description="Why the ECG could not be processed, if it failed.")]
    sampling_rate: Annotated[
        float | None, Field(description="Samples per second; left out if unknown.", examples=[500.0])
    ] = None
    leads: Annotated[list[LeadSummary], Field(description="In the order submitted. Empty if the ECG failed.")]
    summary: Annotated[dict[str, Any], Field(description=_SUMMARY)] = {}


class EcgList(BaseModel):
    """A page of the caller's ECGs, the latest accepted first."""

    username: Annotated[str, Field(description="The user whose token was sent.", examples=["st-marys"])]
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


class _StoredEcg(BaseModel):
    """The fields of an ECG as it was submitted, without its leads."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    label: Annotated[
        str | None, Field(description="The owner's label; left out if there is none.", examples=["rest.edf"])
    ] = None
    date: Annotated[str | None, Field(description="When the ECG was recorded, if known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    sampling_rate: Annotated[float | None, Field(description="Samples per second, if known.")]


class StoredEcg(_StoredEcg):
    """An ECG as it was submitted."""

    leads: list[StoredLead]


class PackedStoredEcg(_StoredEcg):
    """An ECG as it was submitted, in the packed encoding."""

    leads: list[PackedLead]
