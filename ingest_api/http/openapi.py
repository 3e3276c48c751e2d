"""Parts of the OpenAPI document that several calls share: answers, bodies and errors."""

from typing import Annotated, Any, Final, TypeAlias

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.accept_header import FHIR
from ingest_api.http.body import BodyLimit
from shared.ecg import JSON_SCHEMA
from shared.encoding import packed, plain
from shared.messages.catalogue import catalogue

Responses: TypeAlias = dict[int | str, dict[str, Any]]
"""The documentation of answers by status, in the form that FastAPI takes."""

INT64: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
RETRY_AFTER: Final = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait.", "required": True}
}
EXAMPLE_TIME: Final = "2026-11-24T10:00:00Z"
EXAMPLE_ID: Final = "5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77"


_OBSERVATION: Final = {
    "type": "object",
    "description": "A FHIR R4 Observation.",
    "properties": {"resourceType": {"const": "Observation"}},
    "required": ["resourceType"],
}


class Problem(BaseModel):
    """The reason for an error, or for a result that is not there yet."""

    detail: str
    field: Annotated[str | None, Field(description="The field that caused it, if there is one.")] = None


class LeadDescription(BaseModel):
    """The fields of a lead besides its samples."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            description="The lead's name. Several leads may have the same one, as on rhythm strips.",
            json_schema_extra=JSON_SCHEMA["lead name"],
        ),
    ]
    adc_gain: Annotated[
        float | None,
        Field(description="ADC units per millivolt, if known.", json_schema_extra=JSON_SCHEMA["adc gain"]),
    ] = None


class LeadFields(LeadDescription):
    """The fields of a lead in both encodings."""

    missing: Annotated[
        list[list[int]] | None,
        Field(
            description="Ranges of samples that were not recorded, `[first, count]` each, ascending and without "
            "overlap. The samples there must be 0, and zero crossings count them as 0.",
            json_schema_extra=JSON_SCHEMA["missing"],
        ),
    ] = None


class PackedLead(LeadFields):
    """A lead in the packed encoding."""

    dtype: Annotated[packed.Width, Field(description="The integers in `signal`.")]
    signal: Annotated[
        str,
        Field(
            description="Samples in ADC units, with the isoelectric line at zero: little-endian integers one after "
            "the other, as raw bytes in MessagePack (bin); here as base64 for JSON.",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ]


def success(description: str, example: Any) -> dict[str, Any]:
    """Return the documentation of an answer, with an example."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def in_fhir(answer: dict[str, Any], example: Any) -> dict[str, Any]:
    """Return the documentation of an answer that is also given as a FHIR Observation."""
    answer["content"][FHIR] = {"schema": _OBSERVATION, "example": example}
    return answer


def in_packed(answer: dict[str, Any], model: type[BaseModel], example: Any) -> dict[str, Any]:
    """Return the documentation of an answer that is also given in the packed encoding."""
    answer["content"][packed.CONTENT_TYPE] = {"schema": _schema(model), "example": example}
    return answer


def problem(description: str, detail: str, field: str | None = None) -> dict[str, Any]:
    """Return the documentation of an error response, with an example."""
    example = {"detail": detail} | ({"field": field} if field else {})
    return {"model": Problem} | success(description, example)


def unauthorized(detail: str, description: str) -> dict[str, Any]:
    """Return the documentation of a 401."""
    challenge = {"schema": {"type": "string"}, "description": "`Bearer`.", "required": True}
    return problem(description, detail) | {"headers": {"WWW-Authenticate": challenge}}


def created(description: str, example: Any, location: str) -> dict[str, Any]:
    """Return the documentation of a 201, with the form of its `Location`."""
    header = {"schema": {"type": "string"}, "description": f"`{location}`.", "required": True}
    return success(description, example) | {"headers": {"Location": header}}


def unavailable(detail: str) -> dict[str, Any]:
    """Return the documentation of a 503."""
    return problem("Not possible now. Try again after `Retry-After` seconds.", detail) | {"headers": RETRY_AFTER}


def too_many(detail: str, description: str) -> dict[str, Any]:
    """Return the documentation of a 429."""
    return problem(f"{description}. Try again after `Retry-After` seconds.", detail) | {"headers": RETRY_AFTER}


def body_errors(limit: BodyLimit, *media_types: str) -> Responses:
    """Return the documentation of the refusals of a body with this limit that may have these media types."""
    allowed = " or ".join(media_types)
    return {
        413: problem("The body is over the limit.", limit.exceeded),
        415: problem(
            f"The body is not {allowed}, or has a `content-encoding`.",
            f"content-type: must be {allowed}",
            "content-type",
        ),
    }


def body(model: type[BaseModel], packed_model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the documentation of a body that the handler reads itself, after authentication."""
    content = {plain.CONTENT_TYPE: {"schema": _schema(model)}}
    if packed_model is not None:
        content[packed.CONTENT_TYPE] = {"schema": _schema(packed_model)}
    return {"requestBody": {"required": True, "content": content}}


def packed_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the documentation of a body that is accepted in the packed encoding only."""
    return {"requestBody": {"required": True, "content": {packed.CONTENT_TYPE: {"schema": _schema(model)}}}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


def correct(app: FastAPI, parts: tuple[type[BaseModel], ...], any_text: tuple[str, ...]) -> None:
    """Correct an app's OpenAPI document where FastAPI lacks information.

    Args:
        app: the app.
        parts: models that documented bodies and answers refer to, and that FastAPI leaves out.
        any_text: paths whose DELETE accepts any text as its parameter, so that it never answers FastAPI's 422.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["components"]["schemas"] |= {part.__name__: _schema(part) for part in parts}
        document["components"]["schemas"] |= catalogue().schemas
        for path in any_text:
            document["paths"][path]["delete"]["responses"].pop("422", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
