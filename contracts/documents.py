"""All generated files: the documents under `docs/`, and the catalogue of insights."""

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pydantic import SecretStr

from contracts import acls_page, asyncapi, insight_types, insights_page, settings_page
from contracts.insight_types import COMPONENTS
from contracts.messages import Message, messages
from ingest_api.app import create_app
from shared.messages import catalogue
from shared.settings import Settings

ROOT = Path(__file__).parents[1]
DIRECTORY = ROOT / "docs"
# The web page shows insights with their titles and units.
_FOR_BROWSERS = ROOT / "ingest_api" / "page" / "catalogue.js"

# The defaults, regardless of the environment: no secret gets into a document.
_SETTINGS = Settings.model_construct(admin_token=SecretStr(""))


def openapi() -> dict[str, Any]:
    """Return the document that the gateway serves at `/openapi.json`."""
    return create_app(_SETTINGS).openapi()


def async_api() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return asyncapi.document(_SETTINGS, openapi()["info"]["version"])


def write_catalogue() -> None:
    """Write the catalogue of insights, which the gateway's OpenAPI document is made from."""
    catalogue.FILE.write_text(_catalogue())
    catalogue.catalogue.cache_clear()


def render() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    schemas = {name: message for name, message in messages().items() if message.content_type}
    return {
        DIRECTORY / "openapi.json": _json(openapi()),
        DIRECTORY / "asyncapi.yaml": _yaml(async_api()),
        DIRECTORY / "insights.md": insights_page.page(),
        DIRECTORY / "kafka-acls.md": acls_page.page(_SETTINGS),
        DIRECTORY / "settings.md": settings_page.page(),
        catalogue.FILE: _catalogue(),
        _FOR_BROWSERS: insights_page.for_browsers(),
        **{DIRECTORY / "schemas" / f"{name}.json": _json(_alone(message)) for name, message in schemas.items()},
    }


def _alone(message: Message) -> dict[str, Any]:
    """Return a payload's schema as a document of its own."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **message.payload}
    if message.schemas:
        schema["$defs"] = message.schemas
    alone: dict[str, Any] = json.loads(json.dumps(schema).replace(COMPONENTS, "#/$defs/"))
    return alone


def _catalogue() -> str:
    return _json(msgspec.to_builtins(insight_types.current()))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    # Through JSON, so that an object that occurs twice is written twice, not as a YAML alias.
    text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True, width=110)
    return text
