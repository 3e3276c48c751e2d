"""The wire format of the HTTP API, for its documentation and for the small bodies."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.ecg import JSON_SCHEMA, MAX_USERNAME

INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
EXAMPLE_ID = "5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77"
EXAMPLE_TOKEN = "ecg_9mJt2Yw4u0b7nR1xQe8sV5kLc3aZ6dHfGpToIiUyXw"  # noqa: S105 - nobody's
EXAMPLE_INSIGHTS = {
    "ecg_id": EXAMPLE_ID,
    "leads": [{"name": "I", "number_of_zero_crossings": 3}, {"name": "II", "number_of_zero_crossings": 1}],
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait.", "required": True}}


class LeadIn(BaseModel):
    """A lead of a submission."""

    name: Annotated[
        str, Field(description="May repeat, as on rhythm strips.", json_schema_extra=JSON_SCHEMA["lead name"])
    ]
    number_of_samples: Annotated[int | None, Field(description="The signal's length, checked when given.")] = None
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
                    "leads": [
                        {"name": "I", "number_of_samples": 8, "signal": [1, 0, -1, 0, 1, 0, 0, 1]},
                        {"name": "II", "signal": [1, 0, -1]},
                    ],
                }
            ]
        }
    )

    date: Annotated[
        str | None, Field(description="When it was recorded, ISO 8601.", json_schema_extra=JSON_SCHEMA["date"])
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


class UserIn(BaseModel):
    """A user to register."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "st-marys"}]})

    username: Annotated[
        str,
        Field(min_length=1, max_length=MAX_USERNAME, examples=["st-marys"], json_schema_extra=JSON_SCHEMA["username"]),
    ]


class UserToken(BaseModel):
    """A user's new token, shown this once."""

    username: Annotated[str, Field(examples=["st-marys"])]
    token: Annotated[str, Field(examples=[EXAMPLE_TOKEN])]


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
