"""The page about insights, and what the gateway's web page knows of them, generated from the worker's registry."""

import json

from contracts import insight_types
from shared.messages.catalogue import Field, InsightType
from stream_agents.insights import INSIGHTS

_PAGE = """# Insights

Insights are **measurements with their uncertainty, for people who can judge them. They are not a diagnosis.**
`make contracts` generates this page from the insights' declarations.

An insight of a lead is a field of that lead in `leads`; an insight of the whole ECG is a field of `ecg`. All but zero
crossings need the sampling rate: an ECG without one has only these, and `not_computed` does not name the others.

- A measurement that an ECG does not allow is absent, and `absent` in the same result says why.
- An insight that cannot be computed of an ECG, or whose computation fails, is left out, and `not_computed` of the
  answer says why.
- `versions` has the version of each insight. Rows that were stored before an insight existed, or changed, keep their
  old results until they are [computed again](operations.md#compute-insights-again).
- Lists and events have a `summary` instead: {summary}.
- Beats, intervals and quality treat the `missing` samples of a lead as no signal; zero crossings count in the samples
  as they are.

`ECG_INSIGHTS` chooses the insights that a worker computes ([settings](settings.md#worker)). `make validate` compares
them with annotated recordings and with other libraries. [Adding an insight](adding-an-insight.md) adds one.
"""


def page() -> str:
    """Return the page in Markdown."""
    known = insight_types.current()
    summary = ", ".join(f"`{name}`" for name in known.summary)
    return "\n".join([_PAGE.format(summary=summary), *map(_section, known.insights)])


def for_browsers() -> str:
    """Return a JavaScript module with the titles and units of all fields."""
    known = {
        insight.name: {
            "title": insight.title,
            "scope": insight.scope,
            "fields": {field.name: _shown(field) for field in insight.fields},
        }
        for insight in insight_types.current().insights
    }
    return (
        "/** The insights with the titles and units of their fields. Written by `make contracts`. */\n\n"
        f"export const CATALOGUE = {json.dumps(known, indent=2, ensure_ascii=False)};\n"
    )


def _shown(field: Field) -> dict[str, str]:
    shown = {"title": field.title, "unit": field.unit, "spreadOf": field.spread_of}
    return {name: text for name, text in shown.items() if text is not None}


def _section(insight: InsightType) -> str:
    where = "each lead" if insight.scope == "lead" else "the whole ECG"
    needs = f" Needs {' and '.join(insight.needs)}." if insight.needs else ""
    head = ["| field | unit | LOINC | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join(
        [
            f"## {insight.title}",
            "",
            f"`{insight.name}`, version {insight.version}, of {where}.{needs}",
            "",
            insight.description,
            "",
            *head,
            *map(_row, insight.fields),
            "",
            insight_types.method(INSIGHTS[insight.name]),
            "",
        ]
    )


def _row(field: Field) -> str:
    unit = f"`{field.unit}`" if field.unit not in {None, "1"} else ""
    return f"| `{field.name}` | {unit} | {field.loinc or ''} | {field.description} |"
