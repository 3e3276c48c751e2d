"""The documents about ECGs that the gateway returns as JSON."""

from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from shared.ecg import Ecg
from shared.encoding import plain
from shared.messages.insights import Insights


def summary(row: Insights, label: str | None) -> dict[str, Any]:
    """Return an ECG's entry in the list of its owner."""
    return {
        "id": row.ecg_id,
        **_named(label),
        "date": row.date,
        "accepted_at": instant(row.accepted),
        "status": "done" if row.error is None else "failed",
        "error": row.error,
        "leads": [
            {"name": lead["name"], "number_of_samples": samples} | lead
            for lead, samples in zip_longest(row.leads, row.number_of_samples)
        ],
    }


def stored_ecg(row: Insights, ecg: Ecg) -> dict[str, Any]:
    """Return an ECG as it was submitted; its signals are NumPy arrays."""
    return {
        "id": ecg.id,
        **_named(ecg.label),
        "date": ecg.date,
        "accepted_at": instant(row.accepted),
        "sampling_rate": ecg.sampling_rate,
        "leads": [
            {
                "name": lead.name,
                "number_of_samples": lead.signal.size,
                "adc_gain": lead.adc_gain,
                **({"missing": lead.missing} if lead.missing else {}),
                "signal": plain.samples(lead),
            }
            for lead in ecg.leads
        ],
    }


def _named(label: str | None) -> dict[str, str]:
    return {} if label is None else {"label": label}


def instant(milliseconds: int) -> str:
    """Return a moment in ISO 8601, in UTC to the millisecond."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
