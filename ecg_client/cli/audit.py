"""`ecg audit`."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from ecg_client.cli import options, output


def _moment(text: str) -> datetime:
    """Parse how long ago, or a date and time, which is in this machine's time zone unless it names one."""
    try:
        if (seconds := options.duration(text)) is not None:
            return datetime.now(UTC) - timedelta(seconds=seconds)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "must be as long ago as 90d, 12h, 30m or 45s, or a time like 2026-11-24T10:00"
        ) from None


def audit(  # noqa: PLR0917 - a command's parameters are its options
    url: options.Url = None,
    admin_token: options.AdminToken = None,
    user: Annotated[
        str | None,
        typer.Option("--user", show_default=False, help="Only events by this user, or about this user's data."),
    ] = None,
    ecg: Annotated[
        str | None, typer.Option("--ecg", metavar="ID", show_default=False, help="Only events about this ECG.")
    ] = None,
    since: Annotated[
        datetime, typer.Option("--since", parser=_moment, metavar="24h|TIME", help="The first time, or how long ago.")
    ] = "24h",  # type: ignore[assignment]  # parsed as what is given
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", parser=_moment, metavar="1h|TIME", show_default=False, help="The end, or how long ago."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The largest number of events.")] = 1000,
    json: options.Json = False,
) -> None:
    """List who submitted, read or erased which ECG, the oldest first.

    Needs the admin token. Reading a list of ECGs or a stream of events is one
    event, which names no ECG, because it shows the insights of many.

    Examples:
      ecg audit --since 7d --user st-marys
      ecg audit --since 2026-11-24 --ecg 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77
      ecg audit --limit 1000000 --json | jq -r 'select(.action == "refused")'
    """
    target, token = options.admin(url, admin_token)
    table = Table("at", "action", "who", "whose", "ECG", "request")
    with options.admin_client(target) as client:
        events = client.audit(token, username=user, ecg_id=ecg, since=since, until=until)
        for event in islice(events, limit):
            if json:
                output.json_line(
                    {
                        "at": event.at.isoformat(),
                        "action": event.action,
                        "who": event.who,
                        "username": event.username,
                        "ecg_id": event.ecg_id,
                        "request_id": event.request_id,
                    }
                )
            else:
                told = (event.action, event.who, event.username, event.ecg_id or "", event.request_id or "")
                table.add_row(f"{event.at:%Y-%m-%d %H:%M:%S.%f}", *map(output.printable, told))
    if not json:
        output.out.print(table)
