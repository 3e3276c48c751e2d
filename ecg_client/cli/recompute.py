"""`ecg recompute`."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import typer

from ecg_client import kafka, outdated_rows
from ecg_client.cli import options, output

# Without a terminal, for a log.
_LINE_SECONDS = 10.0


def recompute(
    bootstrap_servers: options.Kafka = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, max=1000, metavar="PER_SECOND", help="ECGs a second, at most.")
    ] = 20,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the ECGs.")] = False,
    json: options.Json = False,
) -> None:
    """Compute insights again that older versions computed. Needs access to Kafka.

    The workers compute from the submissions that are still kept. At most a
    second's worth waits before fresh ECGs. Erased ECGs stay erased, sealed
    ones sealed; an ECG that is submitted again meanwhile keeps its new
    insights. Interrupt it at any time: the same command goes on. Set
    ECG_INSIGHTS as the workers have it.

    Examples:
      ecg recompute --dry-run
      ecg recompute --rate 50
    """
    used = kafka.settings(bootstrap_servers)
    counts = outdated_rows.Progress()
    bar = output.progress_bar()
    task = bar.add_task("reading rows", total=None)
    told = float("-inf")

    def report(progress: outdated_rows.Progress) -> None:
        nonlocal counts, told
        counts = progress
        bar.update(task, description="computing again", total=progress.found, completed=progress.settled)
        if bar.disable and time.monotonic() >= told + _LINE_SECONDS:
            told = time.monotonic()
            output.err.print(f"{progress.settled:,} of {progress.found:,} ECGs")

    interrupted = False
    with bar:
        try:
            asyncio.run(outdated_rows.recompute(used, rate, report, output.OutageNotice(), only_count=dry_run))
        except KeyboardInterrupt:
            interrupted = True
    if json:
        output.json_line(asdict(counts))
    else:
        output.out.print(_summary(counts, dry_run))
    if interrupted:
        raise options.Interrupted("interrupted; the same command goes on")


def _summary(counts: outdated_rows.Progress, dry_run: bool) -> str:
    found = f"{counts.found:,} ECGs have insights of older versions"
    if counts.gone:
        found += f"; of {counts.gone:,} the submission is no longer kept"
    if dry_run:
        return found
    unchanged = f", {counts.unchanged:,} left as they are" if counts.unchanged else ""
    return f"{found}; {counts.done:,} computed again{unchanged}"
