"""`ecg list`."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer

from ecg_client.cli import measurements, options, output
from ecg_client.recording_results import RecordingSummary
from ecg_client.results import EcgSummary

# A table shows one screen. JSON has no limit, because its reader can stop.
_SCREENFUL = 50

T = TypeVar("T")


def list_ecgs(  # noqa: PLR0917 - a command's parameters are its options
    url: options.Url = None,
    token: options.Token = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            show_default=False,
            help=f"The largest number of ECGs; by default {_SCREENFUL}, or all of them with --json.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", metavar="PREFIX", show_default=False, help="Only ECGs whose label begins with this prefix."
        ),
    ] = None,
    recordings: Annotated[
        bool, typer.Option("--recordings", help="List recordings that are sent in chunks, instead of ECGs.")
    ] = False,
    retry_for: options.RetryFor = 30,
    json: options.Json = False,
) -> None:
    """List your ECGs, or recordings, the latest accepted first.

    ECGs are listed once they are processed or have failed. A recording is open
    until its end is processed. If there are more than a table shows, a line on
    standard error says so.

    Examples:
      ecg list
      ecg list --limit 1000
      ecg list --recordings
      ecg list --json | jq -r 'select(.status == "failed").id'
    """
    with options.client(url, token, retry_for) as client:
        if recordings:
            _print(client.recordings.list(label), _of_recording, _show_recordings, limit, json)
        else:
            _print(client.ecgs(label), _summary, _show, limit, json)


def _print(
    found: Iterator[T],
    document: Callable[[T], dict[str, Any]],
    show: Callable[[list[T]], None],
    limit: int | None,
    json: bool,
) -> None:
    if json:
        for each in islice(found, limit):
            output.json_line(document(each))
        return
    show(list(islice(found, limit or _SCREENFUL)))
    if limit is None and next(found, None) is not None:
        output.complain(f"these are the latest {_SCREENFUL}, and there are more: --limit says how many to list")


def _show(ecgs: list[EcgSummary]) -> None:
    titles = measurements.summary_titles([ecg.summary for ecg in ecgs])
    lengths = [max((lead.number_of_samples for lead in ecg.leads), default=0) for ecg in ecgs]
    measured = [measurements.summary_row(ecg.summary, titles) for ecg in ecgs]
    columns = _facts(ecgs) | {
        "leads": [f"{len(ecg.leads):,}" if ecg.leads else "" for ecg in ecgs],
        "samples": [f"{count:,}" if ecg.leads else "" for ecg, count in zip(ecgs, lengths, strict=True)],
        **{title: [row[at] for row in measured] for at, title in enumerate(titles.values())},
        "error": [ecg.error or "" for ecg in ecgs],
    }
    output.print_list(columns, [bool(ecg.error) for ecg in ecgs], ("recorded", "leads", "samples", *titles.values()))


def _facts(found: Sequence[EcgSummary | RecordingSummary]) -> dict[str, list[str]]:
    """Return the columns that lists of ECGs and of recordings have alike."""
    return {
        "id": [each.id for each in found],
        "label": [each.label or "" for each in found],
        "accepted": [f"{each.accepted_at:%Y-%m-%d %H:%M:%S}" for each in found],
        "recorded": [each.date or "" for each in found],
    }


def _summary(ecg: EcgSummary) -> dict[str, Any]:
    leads = [{"name": lead.name, "number_of_samples": lead.number_of_samples, **lead.values} for lead in ecg.leads]
    return {
        "id": ecg.id,
        "label": ecg.label,
        "date": ecg.date,
        "accepted_at": ecg.accepted_at.isoformat(timespec="milliseconds"),
        "status": ecg.status,
        "error": ecg.error,
        "leads": leads,
        "summary": ecg.summary or None,
    }


def _show_recordings(recordings: list[RecordingSummary]) -> None:
    columns = _facts(recordings) | {
        "leads": [f"{len(each.leads):,}" for each in recordings],
        "samples": [f"{each.number_of_samples:,}" for each in recordings],
        "state": ["ended" if each.final else "open" for each in recordings],
        "error": [each.error or "" for each in recordings],
    }
    output.print_list(columns, [bool(each.error) for each in recordings], ("leads", "recorded", "samples"))


def _of_recording(each: RecordingSummary) -> dict[str, Any]:
    return {
        "id": each.id,
        "label": each.label,
        "date": each.date,
        "accepted_at": each.accepted_at.isoformat(timespec="milliseconds"),
        "sampling_rate": each.sampling_rate,
        "number_of_samples": each.number_of_samples,
        "final": each.final,
        "error": each.error,
        "leads": [{"name": lead.name, "adc_gain": lead.adc_gain, **lead.values} for lead in each.leads],
    }
