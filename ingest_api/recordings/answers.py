"""The documents about recordings that the gateway returns as JSON."""

from typing import Any

import msgspec

from ingest_api.queries.answers import instant, leads_with_samples, named
from shared.chunk import Chunk
from shared.encoding import packed
from shared.messages.beats import Minute
from shared.messages.insights import Insights
from shared.messages.recordings import Progress


def insights(row: Insights, label: str | None) -> dict[str, Any]:
    """Return the insights of a recording so far."""
    progress = progress_of(row)
    return {
        **_described(row, label),
        "username": row.username,
        "gaps": progress.gaps,
        "refused": {"number": progress.refused, "latest": progress.refusals},
        "leads": _leads(row),
        **({} if row.ecg is msgspec.UNSET else msgspec.json.decode(row.ecg, type=dict[str, Any])),
        **({"not_computed": row.not_computed} if row.not_computed else {}),
    }


def minute(of: Minute) -> dict[str, Any]:
    """Return a minute of a recording: its rates, and its beats as sample indices."""
    rates: dict[str, Any] = msgspec.to_builtins(of)
    del rates["segments"]
    return rates | {"beats": of.beats}


def summary(row: Insights, label: str | None) -> dict[str, Any]:
    """Return a recording's entry in the list of its owner."""
    return {**_described(row, label), "error": row.error, "leads": _leads(row)}


def event(row: Insights, label: str | None) -> dict[str, Any]:
    """Return the event of a recording whose progress has changed, or that could not be processed."""
    failed = {} if row.error is None else {"detail": row.error}
    return {"id": row.ecg_id, **named(label), **_reached(progress_of(row)), **failed}


def signals(row: Insights, samples: Chunk) -> dict[str, Any]:
    """Return samples of a recording; they are NumPy arrays."""
    return {**_placed(row, samples), "leads": leads_with_samples(samples.leads)}


def packed_signals(row: Insights, samples: Chunk) -> bytes:
    """Return samples of a recording in the packed encoding."""
    return packed.dumps({**_placed(row, samples), "leads": packed.pack(samples.leads)})


def progress_of(row: Insights) -> Progress:
    """Return the progress of a recording's row."""
    assert row.recording is not None  # noqa: S101 - the row was looked up as that of a recording
    return row.recording


def _described(row: Insights, label: str | None) -> dict[str, Any]:
    return {
        "id": row.ecg_id,
        **named(label),
        "date": row.date,
        "accepted_at": instant(row.accepted),
        **({} if row.sampling_rate is None else {"sampling_rate": row.sampling_rate}),
        **_reached(progress_of(row)),
    }


def _reached(progress: Progress) -> dict[str, Any]:
    return {
        "number_of_samples": progress.end,
        "complete_until": progress.settled,
        "final": progress.total is not None and progress.settled == progress.total,
        "revision": progress.revision,
    }


def _leads(row: Insights) -> list[dict[str, Any]]:
    """Return the leads with their gains and their insights."""
    gains = progress_of(row).gains
    return [{"name": lead["name"], "adc_gain": gain} | lead for lead, gain in zip(row.leads, gains, strict=True)]


def _placed(row: Insights, samples: Chunk) -> dict[str, Any]:
    return {
        "id": row.ecg_id,
        "sampling_rate": row.sampling_rate,
        "first_sample": samples.first_sample,
        "number_of_samples": samples.count,
    }
