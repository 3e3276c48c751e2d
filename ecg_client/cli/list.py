"""`ecg list`."""

from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table

from ecg_client.cli import measurements, options, output
from ecg_client.results import EcgSummary

# In a table; whoever reads JSON from a pipe wants all, or stops reading.
_SCREENFUL = 50


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
    retry_for: options.RetryFor = 30,
    json: options.Json = False,
) -> None:
    """List your ECGs, the latest accepted first.

    ECGs are listed once they are processed or have failed. If there are more
    than a table shows, a line on standard error says so.

    Examples:
      ecg list
      ecg list --limit 1000
      ecg list --json | jq -r 'select(.status == "failed").id'
    """
    with options.client(url, token, retry_for) as client:
        found = client.ecgs(label)
        if json:
            for ecg in islice(found, limit):
                output.json_line(_summary(ecg))
            return
        output.out.print(_table(list(islice(found, limit or _SCREENFUL))))
        if limit is None and next(found, None) is not None:
            output.complain(f"these are the latest {_SCREENFUL}, and there are more: --limit says how many to list")


def _table(ecgs: list[EcgSummary]) -> Table:
    titles = measurements.summary_titles([ecg.summary for ecg in ecgs])
    table = Table("id", "label", "accepted", "recorded", "leads", "samples", *titles.values(), "error")
    table.columns[0].overflow = "fold"
    for ecg in ecgs:
        *facts, error = map(output.printable, _row(ecg))
        measured = measurements.summary_row(ecg.summary, titles)
        table.add_row(*facts, *measured, error, style="red" if ecg.error else None)
    return table


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


def _row(ecg: EcgSummary) -> tuple[str, ...]:
    samples = max((lead.number_of_samples for lead in ecg.leads), default=0)
    return (
        ecg.id,
        ecg.label or "",
        f"{ecg.accepted_at:%Y-%m-%d %H:%M:%S}",
        ecg.date or "",
        f"{len(ecg.leads):,}" if ecg.leads else "",
        f"{samples:,}" if ecg.leads else "",
        ecg.error or "",
    )
