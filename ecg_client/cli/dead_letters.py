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
from ecg_client.kafka import DeadLetter, Mark
from shared.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="List, show, replay and mark messages that could not be processed. Needs access to Kafka.",
)

References = Annotated[
    list[str] | None,
    typer.Argument(metavar="PARTITION:OFFSET", show_default=False, help="Dead letters, as `ecg dlq list` names them."),
]
Reference = Annotated[
    str,
    typer.Argument(metavar="PARTITION:OFFSET", show_default=False, help="A dead letter, as `ecg dlq list` names it."),
]


@app.command("list")
def list_letters(
    bootstrap_servers: options.Kafka = None,
    every: Annotated[bool, typer.Option("--all", help="Also list those that have been dealt with.")] = False,
    json: options.Json = False,
) -> None:
    """List the dead letters with their time, their reason, and the place of the original message.

    Those that were replayed, or marked with `ecg dlq done`, are only counted.

    Examples:
      ecg dlq list
      ecg dlq list --json | jq -r 'select(.error_class == "IdTaken").letter'
    """
    letters, marks = asyncio.run(_survey(kafka.settings(bootstrap_servers)))
    shown = []
    for letter in letters:
        mark = marks.get(_place(letter["letter"]))
        if every or mark is None:
            shown.append(letter | {"dealt_with": None if mark is None else _time(mark.timestamp)})
    if json:
        for letter in shown:
            output.json_line(letter)
        return
    output.out.print(_table(shown, every) if shown else "No dead letters")
    if len(shown) < len(letters):
        output.err.print(f"{len(letters) - len(shown):,} more have been dealt with; --all lists them too")


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
    letters: References = None,
    every: Annotated[
        bool, typer.Option("--all", help="Replay all dead letters that are there now and not dealt with.")
    ] = False,
    bootstrap_servers: options.Kafka = None,
    json: options.Json = False,
) -> None:
    """Produce dead letters again onto the topic that they came from, once their cause is fixed.

    Each message is sent as it was: same bytes, key and headers. The dead letter
    stays on its topic, marked as dealt with; if the message fails again, it
    becomes another dead letter. Replaying it twice is harmless, because the
    message holds the ECG's id. A message that was too large for its dead letter
    is not in it, and is not replayed.

    Examples:
      ecg dlq replay 3:17 5:2
      ecg dlq replay --all
    """
    _deal_with(letters, every, bootstrap_servers, json, replayed=True)


@app.command()
def done(
    letters: References = None,
    every: Annotated[bool, typer.Option("--all", help="Mark all dead letters that are there now.")] = False,
    bootstrap_servers: options.Kafka = None,
    json: options.Json = False,
) -> None:
    """Mark dead letters as dealt with: `ecg dlq list` and `replay --all` pass over them.

    A mark is a record on the topic of dead letters, for all operators to see.
    The letters stay: `ecg dlq list --all` lists them, and `ecg dlq show` and
    `replay` still take them.

    Examples:
      ecg dlq done 3:17 5:2
      ecg dlq done --all
    """
    _deal_with(letters, every, bootstrap_servers, json, replayed=False)


def _deal_with(letters: list[str] | None, every: bool, servers: str | None, json: bool, *, replayed: bool) -> None:
    """Mark letters as dealt with, once each was replayed if it is to be; print what was done with each."""
    places = _chosen(letters, every)
    used = kafka.settings(servers)
    on_outage = output.OutageNotice()

    async def run() -> None:
        async with kafka.producer(used) as producer:
            async for letter in _each(used, places):
                result: dict[str, Any] = {"dealt_with": True}
                said = "marked as dealt with"
                if replayed:
                    if not letter.is_whole and every:
                        continue
                    target = await kafka.replay(producer, used, _whole(letter), on_outage)
                    result, said = {"replayed": target}, f"-> {target}"
                await kafka.mark_dealt_with(producer, used, letter.partition, letter.offset, on_outage)
                if json:
                    output.json_line({"letter": letter.reference, **result})
                else:
                    output.out.print(f"{letter.reference} {said}")

    asyncio.run(run())


def _whole(letter: DeadLetter) -> DeadLetter:
    if not letter.is_whole:
        raise ClientError(f"{letter.reference} was too large to be kept; it may still be at {letter.source}")
    return letter


def _chosen(letters: list[str] | None, every: bool) -> list[tuple[int, int]]:
    """Return the places of the letters that were named; none means all."""
    if bool(letters) == every:
        raise typer.BadParameter("name letters, or all of them with --all")
    return [_place(letter) for letter in letters or []]


async def _each(used: Settings, places: list[tuple[int, int]]) -> AsyncIterator[DeadLetter]:
    """Yield the dead letters at these places, or else all that are not dealt with."""
    for partition, offset in places:
        yield await _get(used, partition, offset)
    if places:
        return
    # Marks stand behind their letters, so all are read before the first letter is used.
    _, marks = await _survey(used)
    async for letter in kafka.dead_letters(used):
        if isinstance(letter, DeadLetter) and (letter.partition, letter.offset) not in marks:
            yield letter


async def _survey(used: Settings) -> tuple[list[dict[str, Any]], dict[tuple[int, int], Mark]]:
    """Return descriptions of all dead letters, and the first mark of each that is dealt with, by its place."""
    letters: list[dict[str, Any]] = []
    marks: dict[tuple[int, int], Mark] = {}
    async for found in kafka.dead_letters(used):
        if isinstance(found, Mark):
            marks.setdefault((found.partition, found.offset), found)
        else:
            letters.append(_described(found))
    return letters, marks


async def _get(used: Settings, partition: int, offset: int) -> DeadLetter:
    found = await kafka.dead_letter(used, partition, offset)
    if found is None:
        raise NotFound(f"there is no dead letter {partition}:{offset}")
    return found


def _place(reference: str) -> tuple[int, int]:
    if not (match := re.fullmatch(r"(\d{1,9}):(\d{1,18})", reference)):
        raise typer.BadParameter(f"{reference!r} must be PARTITION:OFFSET, as `ecg dlq list` prints it")
    return int(match[1]), int(match[2])


def _table(letters: list[dict[str, Any]], every: bool) -> Table:
    table = Table("letter", "when (UTC)", "bytes", "reason", "source", "key", *(["dealt with"] if every else []))
    for column in table.columns:
        column.overflow = "fold"
    for letter in sorted(letters, key=lambda letter: str(letter["time"])):
        reason = f"{letter['error_class']}: {letter['reason']}"
        columns = (letter["letter"], letter["time"][:19], f"{letter['bytes']:,}", reason, letter["source"])
        marked = [(letter["dealt_with"] or "")[:19]] if every else []
        table.add_row(*(output.printable(text) for text in (*columns, letter["key"] or "", *marked)))
    return table


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _described(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter": letter.reference,
        "time": _time(letter.timestamp),
        "error_class": letter.header("dlq-error-class"),
        "reason": letter.header("dlq-error-message"),
        "source": letter.source,
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "bytes": len(letter.value or b""),
    }
