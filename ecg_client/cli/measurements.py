"""Insights as tables: titles and units come from the catalogue; insights that it does not know have their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, get_type_hints

from rich.table import Table

from ecg_client.cli.output import out, printable
from ecg_client.recording_results import RecordingInsights
from ecg_client.results import Insights, LeadInsights
from shared.messages.beats import Summary
from shared.messages.catalogue import NO_DIAGNOSIS, Field, InsightType, Schema, catalogue

# Of a result: the reasons for what is absent, which stand beside the measurements.
_ABSENT = "absent"


@dataclass(frozen=True)
class _Column:
    """A column of the table of leads: a field of an insight, or the insight itself."""

    title: str
    insight: str
    field: str | None = None

    def of(self, lead: LeadInsights) -> Any:
        """Return a lead's value, or None."""
        value = lead.values.get(self.insight)
        return value if self.field is None else (value or {}).get(self.field)


def show(insights: Insights, samples: Sequence[int] = ()) -> None:
    """Print an ECG's insights as tables, with the leads' lengths if given."""
    out.print(f"ECG {printable(insights.ecg_id)}")
    out.print(lead_table(insights, samples))
    if (table := ecg_table(insights)) is not None:
        out.print(table)
        out.print(NO_DIAGNOSIS)


def show_recording(found: RecordingInsights) -> None:
    """Print the progress and the insights of a recording."""
    seconds = found.number_of_samples / found.sampling_rate
    state = "ended" if found.final else f"complete until sample {found.complete_until:,}"
    length = f"{found.number_of_samples:,} samples, {seconds:,.1f} s"
    out.print(f"recording {printable(found.recording_id)}: {length}, {state}")
    if found.label is not None:
        out.print(printable(found.label))
    if found.date is not None:
        out.print(f"recorded {found.date}")
    if found.gaps:
        missing, first = sum(count for _, count in found.gaps), found.gaps[0][0]
        out.print(f"{missing:,} samples are missing, in {len(found.gaps):,} gaps, the first from sample {first:,}")
    if found.refused:
        out.print(printable(found.refusal))
    out.print(lead_table(found.as_insights))
    if found.beats:
        out.print(beats_line(found.beats, found.sampling_rate))
        out.print(NO_DIAGNOSIS)
    for name, reason in found.not_computed.items():
        out.print(printable(f"{_words(name)}: {reason}"))


def beats_line(beats: dict[str, Any], sampling_rate: float) -> str:
    """Return the values of a recording's beats in one line, with titles and units; unknown values are left out."""
    if beats.get("complete_until") == 0:
        return "beats: not searched yet"
    parts = []
    for name, value in beats.items():
        if name == "complete_until":
            continue
        title, unit = _beat_fields().get(name, (_words(name), ""))
        if name == "longest_pause" and value is not None:
            at = timedelta(seconds=int(value["first_sample"] / sampling_rate))
            parts.append(f"{title}: {value['seconds']:.1f} s at {at}")
        elif isinstance(value, int | float):
            shown = f"{value:,.0f}" if unit == "/min" else _shown(value)
            parts.append(f"{printable(title)}: {shown} {unit}".rstrip())
    return "; ".join(parts)


@cache
def _beat_fields() -> dict[str, tuple[str, str]]:
    """Return title and unit of each field of the beats of a recording, by name."""
    metas = {name: hint.__metadata__[0] for name, hint in get_type_hints(Summary, include_extras=True).items()}
    units = {name: (meta.extra or {}).get("unit", "1") for name, meta in metas.items()}
    return {name: (meta.title, "" if units[name] == "1" else units[name]) for name, meta in metas.items()}


def lead_table(insights: Insights, samples: Sequence[int] = ()) -> Table:
    """Return a table with a row for each lead, and a column for the leads' lengths, if given.

    Columns of fields that no lead has, or that are zero, are left out.
    """
    columns = list(_columns(insights.leads))
    lengths = ("samples",) if samples else ()
    table = Table("lead", *lengths, *(printable(column.title) for column in columns))
    for column in table.columns[1:]:
        column.justify, column.overflow = "right", "fold"
    for number, lead in enumerate(insights.leads):
        length = [_shown(samples[number])] if samples else []
        table.add_row(printable(lead.name), *length, *(_shown(column.of(lead)) for column in columns))
    return table


def ecg_table(insights: Insights) -> Table | None:
    """Return a table with a row for each measurement of the whole ECG, and the reason for each that is absent."""
    if not insights.ecg and not insights.not_computed:
        return None
    table = Table("measurement", "value", "unit", "remark")
    table.columns[1].justify = "right"
    for name, result in insights.ecg.items():
        for row in _rows(_known(name), result):
            table.add_row(*map(printable, row))
    for name, reason in insights.not_computed.items():
        known = _known(name)
        table.add_row(printable(known.title.lower() if known else name), "", "", printable(reason))
    return table


def values_of_leads(insights: Insights) -> dict[str, str]:
    """Return the insights of leads that are a single value, by name, with their titles."""
    return {column.insight: column.title for column in _columns(insights.leads) if column.field is None}


def of_leads(insights: Insights | None, name: str) -> str:
    """Return an insight's value for each lead, in one line."""
    found = insights.leads if insights else ()
    return ", ".join(f"{printable(lead.name)}: {_shown(lead.values[name])}" for lead in found if name in lead.values)


def summary(insights: Insights) -> dict[str, Any]:
    """Return the measurements that lists show."""
    found: dict[str, Any] = {}
    for insight in catalogue().insights:
        for name in insight.summary:
            if insight.scope == "ecg":
                value = insights.ecg.get(insight.name, {}).get(name)
            else:
                results = [lead.values[insight.name] for lead in insights.leads if insight.name in lead.values]
                value = sum(bool(result.get(name)) for result in results) if results else None
            if value is not None:
                found[f"{name}_leads" if insight.scope == "lead" else name] = value
    return found


def summary_titles(summaries: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the columns of summaries, by the name of the measurement, with their titles."""
    names = list(dict.fromkeys(name for each in summaries for name in each))
    return {name: _title(catalogue().summary.get(name), name) for name in names}


def summary_row(summary: dict[str, Any], titles: dict[str, str]) -> list[str]:
    """Return the cells of a summary in the columns of `summary_titles`."""
    return [_shown(summary.get(name)) for name in titles]


def summary_line(summary: dict[str, Any]) -> str:
    """Return a summary in one line."""
    titles = summary_titles([summary])
    return "; ".join(f"{printable(title)}: {_shown(summary[name])}" for name, title in titles.items())


def _columns(leads: Sequence[LeadInsights]) -> Iterator[_Column]:
    names = list(dict.fromkeys(name for lead in leads for name in lead.values))
    for name in names:
        known = _known(name)
        if not any(isinstance(lead.values.get(name), dict) for lead in leads):
            yield _Column(known.fields[0].title if known else _words(name), name)
            continue
        fields = list(dict.fromkeys(field for lead in leads for field in lead.values.get(name) or {}))
        order = {field.name: place for place, field in enumerate(known.fields)} if known else {}
        for field in sorted(fields, key=lambda field: order.get(field, len(order))):
            column = _Column(_titled(known.field(field) if known else None, field), name, field)
            if any(column.of(lead) not in (None, 0, [], "") or column.of(lead) is False for lead in leads):
                yield column


def _rows(known: InsightType | None, result: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    reasons = result.get(_ABSENT, {})
    fields = list(known.fields) if known else []
    fields += [Field(name, _words(name), "") for name in result if known is None or known.field(name) is None]
    spreads = {field.spread_of: result[field.name] for field in fields if field.spread_of and field.name in result}
    for field in fields:
        value = result.get(field.name)
        if field.name == _ABSENT or field.spread_of or (value is None and field.name not in reasons):
            continue
        if isinstance(value, list | dict):
            # Positions of beats are many, and are for programs.
            if not value or isinstance(value, dict) or not isinstance(value[0], str):
                continue
            value = ", ".join(value)
        remark = reasons.get(field.name, f"± {_shown(spreads[field.name])}" if field.name in spreads else "")
        yield field.title, _shown(value), "" if field.unit in {None, "1"} else field.unit or "", remark


def _known(name: str) -> InsightType | None:
    return next((insight for insight in catalogue().insights if insight.name == name), None)


def _titled(field: Field | None, name: str) -> str:
    if field is None:
        return _words(name)
    return field.title if field.unit in {None, "1"} else f"{field.title}, {field.unit}"


def _title(schema: Schema | None, name: str) -> str:
    if schema is None:
        return _words(name)
    unit = schema.get("x-unit", "1")
    return str(schema["title"]) if unit == "1" else f"{schema['title']}, {unit}"


def _words(name: str) -> str:
    return name.removeprefix("number_of_").replace("_", " ")


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return printable(", ".join(map(str, value)))
        case _:
            return printable(str(value))
