"""`ecg watch`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import typer

from ecg_client import kafka
from ecg_client.cli import measurements, options, output
from ecg_client.events import Event


def watch(  # noqa: PLR0917 - a command's parameters are its options
    url: options.Url = None,
    token: options.Token = None,
    username: Annotated[
        str | None,
        typer.Option(
            "--username", show_default=False, help="The user whose insights to read from Kafka, without a token."
        ),
    ] = None,
    bootstrap_servers: options.Kafka = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, show_default=False, help="Stop after this many; by default at Ctrl-C."),
    ] = None,
    retry_for: options.RetryFor = 60,
    json: options.Json = False,
) -> None:
    """Print your ECGs' insights as they come, from now on.

    An ECG that is submitted again is printed again. A broken connection is
    opened again, and no insights are missed. With --username and access to
    Kafka, the insights of any user are printed.

    Examples:
      ecg watch
      ecg watch --json | jq .leads
      ecg watch --username st-marys
    """
    opened = asyncio.Event()
    if username is None:
        client = options.async_client(url, token, retry_for)
        follow, whose = client.events(opened=opened.set), "your insights"
    else:
        follow = kafka.follow_insights(kafka.settings(bootstrap_servers), username, opened)
        whose = f"the insights of {output.printable(username)}"
    try:
        asyncio.run(_watch(follow, opened, whose, count, json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(
    follow: AsyncGenerator[Event], opened: asyncio.Event, whose: str, count: int | None, json: bool
) -> None:
    async def announce() -> None:
        await opened.wait()
        output.err.print(f"Watching {whose}; Ctrl-C stops")

    announcing = asyncio.create_task(announce())
    try:
        seen = 0
        async with aclosing(follow) as events:
            async for event in events:
                _print(event, json)
                seen += 1
                if seen == count:
                    return
    finally:
        announcing.cancel()


def _print(event: Event, json: bool) -> None:
    if json:
        found = output.insights_document(event.insights) if event.insights else {}
        output.json_line(
            {
                "ecg_id": event.ecg_id,
                "label": event.label,
                **found,
                "summary": event.summary or None,
                "error": event.error,
            }
        )
        return
    name = event.ecg_id if event.label is None else f"{event.ecg_id}, {event.label}"
    if event.insights is None:
        output.out.print(output.printable(f"ECG {name}: {event.error}"))
    else:
        output.out.print(f"ECG {output.printable(name)}")
        output.out.print(measurements.lead_table(event.insights))
        if event.summary:
            output.out.print(measurements.summary_line(event.summary))
