"""All documents, by path under `docs/`."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from contracts import acls_page, asyncapi, settings_page
from contracts.messages import COMPONENTS, Message, messages
from ingest_api.app import create_app
from shared.settings import Settings

DIRECTORY = Path(__file__).parents[1] / "docs"

# The defaults, whatever the environment says; no secret is part of a document.
_SETTINGS = Settings.model_construct(admin_token=SecretStr(""))


def openapi() -> dict[str, Any]:
    """Return what the gateway answers under `/openapi.json`."""
    return create_app(_SETTINGS).openapi()


def async_api() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return asyncapi.document(_SETTINGS, openapi()["info"]["version"])


def render() -> dict[Path, str]:
    """Return the text of every document by its path."""
    schemas = {name: message for name, message in messages().items() if message.content_type}
    return {
        DIRECTORY / "openapi.json": _json(openapi()),
        DIRECTORY / "asyncapi.yaml": _yaml(async_api()),
        DIRECTORY / "kafka-acls.md": acls_page.page(_SETTINGS),
        DIRECTORY / "settings.md": settings_page.page(),
        **{DIRECTORY / "schemas" / f"{name}.json": _json(_alone(message)) for name, message in schemas.items()},
    }


def _alone(message: Message) -> dict[str, Any]:
    """Return a payload's schema as a document of its own."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **message.payload}
    if message.schemas:
        schema["$defs"] = message.schemas
    alone: dict[str, Any] = json.loads(json.dumps(schema).replace(COMPONENTS, "#/$defs/"))
    return alone


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    # Through JSON, so that what is the same object twice is written twice.
    text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True, width=110)
    return text
