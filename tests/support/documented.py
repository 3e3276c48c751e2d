"""Validation of real answers against the OpenAPI document."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

from contracts import documents

Document = dict[str, Any]


@cache
def openapi() -> Document:
    return documents.openapi()


@cache
def async_api() -> Document:
    return documents.async_api()


def validator(schema: Document, document: Document) -> Draft202012Validator:
    """Return a validator for a schema that refers to the components of a document."""
    return Draft202012Validator(schema | {"components": document["components"]})


def answers() -> Iterator[tuple[str, str, str, Document]]:
    """Yield every documented answer of the gateway: method, path, status and the answer's description."""
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                yield method.upper(), path, status, answer


async def check(response: httpx.Response) -> None:
    """Validate an answer of the gateway against the document; paths and methods outside of it are not checked."""
    method, path, status = response.request.method, response.request.url.path, response.status_code
    template = next((template for template, pattern in _patterns() if pattern.fullmatch(path)), None)
    if template is None or method.lower() not in openapi()["paths"][template]:
        return
    asked = f"{method} {path}: {status}"
    answer = openapi()["paths"][template][method.lower()]["responses"].get(str(status))
    assert answer is not None, f"{asked} is not documented"
    for name, header in answer.get("headers", {}).items():
        assert name in response.headers or not header.get("required"), f"{asked} lacks {name}"
    media_type = response.headers.get("content-type", "").partition(";")[0]
    assert media_type in answer.get("content", {"": {}}), f"{asked} is {media_type}"
    if media_type == "application/json":
        await response.aread()
        _validator(template, method.lower(), str(status)).validate(response.json())


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return the documented paths with patterns that match requests' paths, those without parameters first."""
    paths = sorted(openapi()["paths"], key=lambda path: path.count("{"))
    return [(path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))) for path in paths]


@cache
def _validator(path: str, method: str, status: str) -> Draft202012Validator:
    answer = openapi()["paths"][path][method]["responses"][status]
    return validator(answer["content"]["application/json"]["schema"], openapi())
