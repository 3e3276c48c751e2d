"""`ecg watch`."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import typer

from ecg_client import kafka
from ecg_client.cli import options, output
from ecg_client.results import parse_insights
from shared.results import Insights
from shared.settings import Settings


def watch(
    username: Annotated[
        str, typer.Option("--username", show_default=False, help="Whose insights; nobody else's are printed.")
    ],
    bootstrap_servers: options.Kafka = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, show_default=False, help="Stop after so many; else at Ctrl-C.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Print a user's insights as they come.

    Needs access to Kafka, not only to the gateway: it follows the topic of
    insights, from now on. An ECG that is submitted again comes again.

    Examples:
      ecg watch --username st-marys
      ecg watch --username st-marys --json | jq .leads
    """
    try:
        asyncio.run(_watch(kafka.settings(bootstrap_servers), username, count, json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(used: Settings, username: str, count: int | None, json: bool) -> None:
    ready = asyncio.Event()

    async def announce() -> None:
        await ready.wait()
        output.err.print(f"Watching the insights of {output.printable(username)}; Ctrl-C stops")

    announcing = asyncio.create_task(announce())
    try:
        seen = 0
        async with aclosing(kafka.follow_insights(used, username, ready)) as rows:
            async for row in rows:
                _print(row, json)
                seen += 1
                if seen == count:
                    return
    finally:
        announcing.cancel()


def _print(row: Insights, json: bool) -> None:
    if json:
        output.json_line({"ecg_id": row.ecg_id, "leads": row.leads or None, "error": row.error})
    elif row.error is not None:
        output.out.print(output.printable(f"ECG {row.ecg_id}: {row.error}"))
    else:
        output.out.print(f"ECG {output.printable(row.ecg_id)}")
        output.out.print(output.insights_table(parse_insights({"ecg_id": row.ecg_id, "leads": row.leads})))
