"""The documents about ECGs that the gateway returns as JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import msgspec
import orjson

from shared.ecg import Ecg, Lead
from shared.encoding import packed, plain
from shared.messages.insights import Insights


def insights(row: Insights) -> dict[str, Any]:
    """Return the insights of an ECG. Those of an ECG without a sampling rate are these two fields alone."""
    answer: dict[str, Any] = {"ecg_id": row.ecg_id, "leads": row.leads}
    if row.sampling_rate is not None:
        answer["sampling_rate"] = row.sampling_rate
    if row.ecg is not msgspec.UNSET:
        answer["ecg"] = orjson.Fragment(bytes(row.ecg))
    if row.not_computed:
        answer["not_computed"] = row.not_computed
    if row.sampling_rate is not None:
        answer["versions"] = row.versions
    return answer


def event(row: Insights, label: str | None) -> dict[str, Any]:
    """Return the event of an ECG that has insights: the same, with a summary in place of lists of beats."""
    return {"ecg_id": row.ecg_id, **named(label), "leads": list(map(_values, row.leads)), **_summarised(row)}


def failure(row: Insights, label: str | None) -> dict[str, Any]:
    """Return the event of an ECG that could not be processed."""
    return {"ecg_id": row.ecg_id, **named(label), "detail": row.error}


def summary(row: Insights, label: str | None) -> dict[str, Any]:
    """Return an ECG's entry in the list of its owner."""
    return {
        "id": row.ecg_id,
        **named(label),
        "date": row.date,
        "accepted_at": instant(row.accepted),
        "status": "done" if row.error is None else "failed",
        "error": row.error,
        **({} if row.sampling_rate is None else {"sampling_rate": row.sampling_rate}),
        "leads": [
            {"name": lead["name"], "number_of_samples": samples} | _values(lead)
            for lead, samples in zip_longest(row.leads, row.number_of_samples)
        ],
        **_summarised(row),
    }


def stored_ecg(row: Insights, ecg: Ecg) -> dict[str, Any]:
    """Return an ECG as it was submitted; its signals are NumPy arrays."""
    return {
        **_stored(row, ecg),
        "leads": leads_with_samples(ecg.leads),
    }


def packed_ecg(row: Insights, ecg: Ecg) -> bytes:
    """Return the same in the packed encoding."""
    return packed.dumps({**_stored(row, ecg), "leads": packed.pack(ecg.leads)})


def leads_with_samples(leads: Iterable[Lead]) -> list[dict[str, Any]]:
    """Return leads with their samples, which are NumPy arrays."""
    return [
        {
            "name": lead.name,
            "number_of_samples": lead.signal.size,
            "adc_gain": lead.adc_gain,
            **({"missing": lead.missing} if lead.missing else {}),
            "signal": plain.samples(lead),
        }
        for lead in leads
    ]


def _stored(row: Insights, ecg: Ecg) -> dict[str, Any]:
    return {
        "id": ecg.id,
        **named(ecg.label),
        "date": ecg.date,
        "accepted_at": instant(row.accepted),
        "sampling_rate": ecg.sampling_rate,
    }


def _values(lead: dict[str, Any]) -> dict[str, Any]:
    """Return a lead with its name and its insights that are a single value."""
    return {name: value for name, value in lead.items() if not isinstance(value, dict | list)}


def _summarised(row: Insights) -> dict[str, Any]:
    return {"summary": row.summary} if row.summary else {}


def named(label: str | None) -> dict[str, str]:
    """Return the field of a label, if there is one."""
    return {} if label is None else {"label": label}


def instant(milliseconds: int) -> str:
    """Return a moment in ISO 8601, in UTC to the millisecond."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
