"""Parts of the OpenAPI document that several calls share: answers, bodies and errors."""

from typing import Annotated, Any, Final, TypeAlias

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ingest_api.http.accept_header import FHIR
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


def success(description: str, example: Any) -> dict[str, Any]:
    """Return the documentation of an answer, with an example."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def in_fhir(answer: dict[str, Any], example: Any) -> dict[str, Any]:
    """Return the documentation of an answer that is also given as a FHIR Observation."""
    answer["content"][FHIR] = {"schema": _OBSERVATION, "example": example}
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


BODY_ERRORS: Final[Responses] = {
    413: problem(
        "The body is over the limit.",
        "body: must not be over 16777216 bytes (16.0 MiB): send a long recording in parts",
    ),
    415: problem("The body is not plain JSON.", "content-type: must be application/json", "content-type"),
}


def body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the documentation of a body that the handler reads itself, after authentication."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def correct(app: FastAPI, parts: type[BaseModel], any_text: tuple[str, ...]) -> None:
    """Correct an app's OpenAPI document where FastAPI lacks information.

    Args:
        app: the app.
        parts: a model that a documented body refers to, and that FastAPI leaves out.
        any_text: paths whose DELETE accepts any text as its parameter, so that it never answers FastAPI's 422.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["components"]["schemas"][parts.__name__] = parts.model_json_schema()
        document["components"]["schemas"] |= catalogue().schemas
        for path in any_text:
            document["paths"][path]["delete"]["responses"].pop("422", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
