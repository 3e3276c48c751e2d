"""`ecg dlq`."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from ecg_client import kafka
from ecg_client.cli import options, output
from ecg_client.errors import ClientError, NotFound
from ecg_client.kafka import DeadLetter
from shared.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="List, show and replay messages that could not be processed. Needs access to Kafka."
)

Reference = Annotated[
    str,
    typer.Argument(metavar="PARTITION:OFFSET", show_default=False, help="A dead letter, as `ecg dlq list` names it."),
]


@app.command("list")
def list_letters(bootstrap_servers: options.Kafka = None, json: options.Json = False) -> None:
    """List the dead letters with their time, their reason, and the place of the original message.

    Examples:
      ecg dlq list
      ecg dlq list --json | jq -r 'select(.error_class == "IdTaken").letter'
    """
    used = kafka.settings(bootstrap_servers)
    letters: list[dict[str, Any]] = []

    async def run() -> None:
        async for letter in kafka.dead_letters(used):
            if json:
                output.json_line(_described(letter))
            else:
                letters.append(_described(letter))

    asyncio.run(run())
    if not json:
        output.out.print(_table(letters) if letters else "No dead letters")


@app.command()
def show(
    letter: Reference,
    bootstrap_servers: options.Kafka = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write only the message itself, which contains signals.")] = False,
    json: options.Json = False,
) -> None:
    """Show a dead letter's reason, source and headers; its signals only with --raw.

    Examples:
      ecg dlq show 3:17
      ecg dlq show 3:17 --raw > letter.json
    """
    partition, offset = _place(letter)
    found = asyncio.run(_get(kafka.settings(bootstrap_servers), partition, offset))
    if raw:
        sys.stdout.buffer.write(found.value or b"")
        return
    described = _described(found) | {
        "headers": [[name, (value or b"").decode(errors="backslashreplace")] for name, value in found.headers]
    }
    if json:
        output.json_line(described)
        return
    for name, value in described.items():
        if name != "headers":
            output.out.print(f"{name.replace('_', ' '):<12} {output.printable(str(value))}", soft_wrap=True)
    for header, text in described["headers"]:
        output.out.print(output.printable(f"header       {header} = {text}"), soft_wrap=True)


@app.command()
def replay(
    letters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTITION:OFFSET", show_default=False, help="Dead letters, as `ecg dlq list` names them."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Replay all dead letters that are there now.")] = False,
    bootstrap_servers: options.Kafka = None,
    json: options.Json = False,
) -> None:
    """Produce dead letters onto the topic of submissions again, once their cause is fixed.

    Each message is sent as it was: same bytes, key and headers. The dead letter
    stays on its topic; replaying it twice is harmless, because the message holds
    the ECG's id. A message that was too large for its dead letter is not in it,
    and is not replayed.

    Examples:
      ecg dlq replay 3:17 5:2
      ecg dlq replay --all
    """
    if bool(letters) == every:
        raise typer.BadParameter("name letters, or all of them with --all")
    places = [_place(letter) for letter in letters or []]
    used = kafka.settings(bootstrap_servers)

    async def chosen() -> AsyncIterator[DeadLetter]:
        if every:
            async for letter in kafka.dead_letters(used):
                if letter.is_whole:
                    yield letter
        for partition, offset in places:
            letter = await _get(used, partition, offset)
            if not letter.is_whole:
                raise ClientError(f"{letter.reference} was too large to be kept; it may still be at {letter.source}")
            yield letter

    async def run() -> None:
        async with kafka.producer(used) as producer:
            async for letter in chosen():
                target = await kafka.replay(producer, used, letter)
                if json:
                    output.json_line({"letter": letter.reference, "replayed": target})
                else:
                    output.out.print(f"{letter.reference} -> {target}")

    asyncio.run(run())


async def _get(used: Settings, partition: int, offset: int) -> DeadLetter:
    found = await kafka.dead_letter(used, partition, offset)
    if found is None:
        raise NotFound(f"there is no dead letter {partition}:{offset}")
    return found


def _place(reference: str) -> tuple[int, int]:
    if not (match := re.fullmatch(r"(\d{1,9}):(\d{1,18})", reference)):
        raise typer.BadParameter(f"{reference!r} must be PARTITION:OFFSET, as `ecg dlq list` prints it")
    return int(match[1]), int(match[2])


def _table(letters: list[dict[str, Any]]) -> Table:
    table = Table("letter", "when (UTC)", "bytes", "reason", "source", "key")
    for column in table.columns:
        column.overflow = "fold"
    for letter in sorted(letters, key=lambda letter: str(letter["time"])):
        reason = f"{letter['error_class']}: {letter['reason']}"
        columns = (letter["letter"], letter["time"][:19], f"{letter['bytes']:,}", reason, letter["source"])
        table.add_row(*(output.printable(text) for text in (*columns, letter["key"] or "")))
    return table


def _described(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter": letter.reference,
        "time": datetime.fromtimestamp(letter.timestamp / 1000, UTC).isoformat(timespec="milliseconds"),
        "error_class": letter.header("dlq-error-class"),
        "reason": letter.header("dlq-error-message"),
        "source": letter.source,
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "bytes": len(letter.value or b""),
    }
