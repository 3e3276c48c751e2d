"""The wire format of the HTTP API, for its documentation and for the small bodies."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from shared.ecg import JSON_SCHEMA, MAX_USERNAME
from shared.messages.audit import ADMIN, Action

INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
# Ten years: longer is a slip of the keyboard, not a wish.
MAX_LIFETIME = 315_360_000
EXAMPLE_TIME = "2026-11-24T10:00:00Z"
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait.", "required": True}}
EXAMPLE_USER = {
    "username": "st-marys",
    "created_at": EXAMPLE_TIME,
    "issued_at": EXAMPLE_TIME,
    "expires_at": EXAMPLE_TIME,
}
EXAMPLE_TOKEN = "ecg_0RCMtXYTnZkFKvRGXEwGMOUhcfLN3WC48aOWwnPkqpQ3SGnWX"  # noqa: S105 - nobody's
EXAMPLE_ID = "5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77"
EXAMPLE_EVENT = {
    "at": "2026-11-24T10:00:00.123456Z",
    "action": "insights_read",
    "who": "st-marys",
    "username": "st-marys",
    "ecg_id": EXAMPLE_ID,
    "request_id": "0d8b6f1d2a775f0c0b9e4d1b8a3e9c55",
}
EXAMPLE_INSIGHTS = {
    "ecg_id": EXAMPLE_ID,
    "leads": [{"name": "I", "number_of_zero_crossings": 3}, {"name": "II", "number_of_zero_crossings": 1}],
}
_EXAMPLE_ACCEPTED = "2026-11-24T10:00:00.123Z"
# FastAPI leaves out of its document what is null.
EXAMPLE_LIST = {
    "ecgs": [
        {
            "id": EXAMPLE_ID,
            "date": EXAMPLE_TIME,
            "accepted_at": _EXAMPLE_ACCEPTED,
            "status": "failed",
            "error": "leads: an insight could not be computed (ValueError)",
            "leads": [],
        }
    ],
    "next": "AAABk1...",
}
EXAMPLE_ECG = {
    "id": EXAMPLE_ID,
    "date": EXAMPLE_TIME,
    "accepted_at": _EXAMPLE_ACCEPTED,
    "sampling_rate": 500.0,
    "leads": [{"name": "II", "number_of_samples": 3, "adc_gain": 1000.0, "signal": [1, 0, -1]}],
}


class LeadIn(BaseModel):
    """A lead of a submission."""

    name: Annotated[
        str, Field(description="May repeat, as on rhythm strips.", json_schema_extra=JSON_SCHEMA["lead name"])
    ]
    number_of_samples: Annotated[int | None, Field(description="The signal's length, checked when given.")] = None
    adc_gain: Annotated[
        float | None,
        Field(description="ADC units of one millivolt, where known.", json_schema_extra=JSON_SCHEMA["adc gain"]),
    ] = None
    signal: Annotated[
        list[Annotated[int, Field(json_schema_extra=INT64)]],
        Field(description="Samples in ADC units about the isoelectric line at zero."),
    ]


class EcgIn(BaseModel):
    """A submission."""

    model_config = ConfigDict(
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
        }
    )

    date: Annotated[
        str | None, Field(description="When it was recorded, ISO 8601.", json_schema_extra=JSON_SCHEMA["date"])
    ] = None
    sampling_rate: Annotated[
        float | None,
        Field(description="Samples per second, where known.", json_schema_extra=JSON_SCHEMA["sampling rate"]),
    ] = None
    leads: Annotated[list[LeadIn], Field(json_schema_extra=JSON_SCHEMA["leads"])]


class EcgId(BaseModel):
    """The id of an accepted ECG."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]


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


_ACCEPTED_AT = "When it was accepted first, by the clock of the broker: no client has a say in it."


class EcgSummary(BaseModel):
    """A processed ECG of the caller."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    date: Annotated[str | None, Field(description="When it was recorded, where known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    status: Literal["done", "failed"]
    error: Annotated[str | None, Field(description="Why it could not be processed, if it failed.")]
    leads: Annotated[list[LeadSummary], Field(description="In the order submitted; none if it failed.")]


class EcgList(BaseModel):
    """A page of the caller's ECGs, the latest accepted first."""

    ecgs: list[EcgSummary]
    next: Annotated[str | None, Field(description="The cursor of the next page, or null after the last ECG.")]


class StoredLead(BaseModel):
    """A lead as it was submitted."""

    name: Annotated[str, Field(examples=["I"])]
    number_of_samples: int
    adc_gain: Annotated[float | None, Field(description="ADC units of one millivolt, where known.")]
    signal: list[Annotated[int, Field(json_schema_extra=INT64)]]


class StoredEcg(BaseModel):
    """An ECG as it was submitted."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    date: Annotated[str | None, Field(description="When it was recorded, where known.")]
    accepted_at: Annotated[str, Field(description=_ACCEPTED_AT, examples=["2026-11-24T10:00:00.123Z"])]
    sampling_rate: Annotated[float | None, Field(description="Samples per second, where known.")]
    leads: list[StoredLead]


class UserIn(BaseModel):
    """A user to register."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "st-marys", "expires_in": 7_776_000}]})

    username: Annotated[
        str,
        Field(min_length=1, max_length=MAX_USERNAME, examples=["st-marys"], json_schema_extra=JSON_SCHEMA["username"]),
    ]
    expires_in: Annotated[
        int | None,
        Field(
            strict=True,
            ge=1,
            le=MAX_LIFETIME,
            examples=[7_776_000],
            description="Seconds until the token expires; without it, it does not.",
        ),
    ] = None


class UserToken(BaseModel):
    """A user's new token, shown this once."""

    username: Annotated[str, Field(examples=["st-marys"])]
    token: Annotated[str, Field(examples=[EXAMPLE_TOKEN])]
    expires_at: Annotated[datetime | None, Field(examples=["2027-02-23T10:00:00Z"])] = None


class User(BaseModel):
    """A user, without anything of the token."""

    username: Annotated[str, Field(examples=["st-marys"])]
    created_at: Annotated[datetime, Field(description="When the user was registered.", examples=[EXAMPLE_TIME])]
    issued_at: Annotated[datetime, Field(description="When the token was issued.", examples=[EXAMPLE_TIME])]
    expires_at: Annotated[datetime | None, Field(description="When it expires, if it does.", examples=[None])]


class UserList(BaseModel):
    """A page of the users, by name."""

    users: list[User]
    next: Annotated[str | None, Field(description="`after` of the next page, if there is one.", examples=["st-marys"])]


class AuditEvent(BaseModel):
    """What somebody did with somebody's data; nothing of the data."""

    at: Annotated[datetime, Field(description="When, by the gateway's clock.", examples=[EXAMPLE_TIME])]
    action: Annotated[
        str, Field(description=f"What was done: {', '.join(get_args(Action))}.", examples=["insights_read"])
    ]
    who: Annotated[
        str, Field(description=f"The user who did it, or `{ADMIN}`, the administrator.", examples=["st-marys"])
    ]
    username: Annotated[str, Field(description="Whose data it is.", examples=["st-marys"])]
    ecg_id: Annotated[str | None, Field(description="Which ECG, if it is about one.", examples=[EXAMPLE_ID])]
    request_id: Annotated[str | None, Field(description="The `x-request-id` of the request.")]


class AuditPage(BaseModel):
    """A page of the audit, the oldest event first."""

    events: list[AuditEvent]
    next: Annotated[str | None, Field(description="The cursor of the next page, if there may be one.")]


class Problem(BaseModel):
    """Why a request was not answered with success."""

    detail: str
    field: Annotated[str | None, Field(description="The offending field, where there is one.")] = None


class Readiness(BaseModel):
    """Whether the gateway can serve, and what is missing if not."""

    status: Annotated[str, Field(examples=["ready"])]
    missing: list[str]


def success(description: str, example: Any) -> dict[str, Any]:
    """Return the documentation of an answer, with an example."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def problem(description: str, detail: str, field: str | None = None) -> dict[str, Any]:
    """Return the documentation of an error response, with an example."""
    example = {"detail": detail} | ({"field": field} if field else {})
    return {"model": Problem} | success(description, example)


def unavailable(detail: str) -> dict[str, Any]:
    """Return the documentation of a 503."""
    return problem("Not now; try again after `Retry-After` seconds.", detail) | {"headers": RETRY_AFTER}


def too_many(detail: str, description: str) -> dict[str, Any]:
    """Return the documentation of a 429."""
    return problem(f"{description}; try again after `Retry-After` seconds.", detail) | {"headers": RETRY_AFTER}
