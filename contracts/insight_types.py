"""The catalogue of insights, generated from the worker's registry."""

import inspect
import json
import sys
from inspect import cleandoc
from typing import Any, Final, get_args, get_type_hints

import msgspec

from shared.messages.catalogue import Catalogue, Field, InsightType, Schema
from stream_agents.insights import INSIGHTS
from stream_agents.insights.contract import Insight

COMPONENTS: Final = "#/components/schemas/"


def current() -> Catalogue:
    """Return the catalogue of the registered insights.

    Raises:
        ValueError: if a result lacks a docstring, or a field of it a title or a description.
    """
    results = [insight.result for insight in INSIGHTS.values()]
    generated, schemas = msgspec.json.schema_components(results, ref_template=COMPONENTS + "{name}")
    for name, schema in schemas.items():
        if not schema.get("description"):
            raise ValueError(f"{name} needs a docstring")
        schema["description"] = cleandoc(schema["description"])
    insights = [_insight(insight, schema) for insight, schema in zip(INSIGHTS.values(), generated, strict=True)]
    for insight in insights:
        _add_units(insight, schemas.get(insight.schema.get("$ref", "").removeprefix(COMPONENTS)) or insight.schema)
    found = Catalogue(insights, schemas, _summary(insights, schemas))
    # As it is read: msgspec's schemas hold tuples.
    return msgspec.convert(json.loads(msgspec.json.encode(found)), Catalogue)


def method(insight: Insight) -> str:
    """Return how an insight is computed: the docstring of its module."""
    return cleandoc(sys.modules[insight.compute.__module__].__doc__ or "")


def _insight(insight: Insight, schema: Schema) -> InsightType:
    is_struct = inspect.isclass(insight.result) and issubclass(insight.result, msgspec.Struct)
    title = insight.name.removeprefix("number_of_").replace("_", " ")
    fields = _fields(insight.result) if is_struct else [_field(insight.name, insight.result)]
    return InsightType(
        insight.name,
        insight.version,
        insight.scope,
        title[:1].upper() + title[1:],
        cleandoc(insight.result.__doc__ or "") if is_struct else _sentence(fields[0].description),
        [phrase for phrase, _ in insight.needs.each()],
        insight.needs.sampling_rate > 0,
        fields,
        schema,
        list(insight.summary),
    )


def _fields(result: type[msgspec.Struct]) -> list[Field]:
    hints = get_type_hints(result, include_extras=True)
    return [_field(field.name, hints[field.name]) for field in msgspec.structs.fields(result)]


def _field(name: str, annotation: Any) -> Field:
    meta = next((each for each in get_args(annotation) if isinstance(each, msgspec.Meta)), msgspec.Meta())
    if not meta.title or not meta.description:
        raise ValueError(f"{name} needs a title and a description")
    extra = meta.extra or {}
    return Field(name, meta.title, meta.description, extra.get("unit"), extra.get("loinc"), extra.get("spread_of"))


def _add_units(insight: InsightType, schema: Schema) -> None:
    properties = schema.get("properties") or {insight.name: schema}
    for field in insight.fields:
        if field.unit is not None:
            properties[field.name]["x-unit"] = field.unit


def _summary(insights: list[InsightType], schemas: dict[str, Schema]) -> dict[str, Schema]:
    properties: dict[str, Schema] = {}
    for insight in insights:
        of = schemas[insight.schema["$ref"].removeprefix(COMPONENTS)]["properties"] if insight.summary else {}
        for name in insight.summary:
            if insight.scope == "lead":
                properties[f"{name}_leads"] = {
                    "type": "integer",
                    "minimum": 0,
                    "title": f"{of[name]['title']} leads",
                    "description": f"number of leads that are {of[name]['title']}",
                    "x-unit": "1",
                }
            else:
                properties[name] = _present(of[name])
    return properties


def _present(schema: Schema) -> Schema:
    """Return the schema of a value that is not null: a summary leaves out nulls."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    return rest | (kinds[0] if kinds else {})


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
