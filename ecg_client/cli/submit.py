"""`ecg submit`, and the report of a batch, which `ecg produce` prints too."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID
from rich.table import Table

from ecg_client.batch import Batch, Outcome, Report, Ways, collect, send_all, submitting, waiting_for_insights
from ecg_client.cli import measurements, options, output
from ecg_client.errors import ClientError, Unavailable
from ecg_client.long_files import submitting_long
from ecg_client.recording_results import RecordingInsights
from ecg_client.results import Insights

_FAILED = 1
# Suffixes that the last line names.
_MOST_KINDS = 5
# Widths in the table: the file's column gets the terminal's width without `_REST`, at least 10.
_LEAST_FILE, _REST = 10, 64


def submit(  # noqa: PLR0917 - a command's parameters are its options
    files: options.Files,
    url: options.Url = None,
    token: options.Token = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the insights, and print them.")] = False,
    timeout: options.Timeout = 60,
    concurrency: options.Concurrency = 16,
    retry_for: options.RetryFor = 60,
    baseline: options.Baseline = 0,
    scale: options.Scale = None,
    sampling_rate: options.SamplingRate = None,
    adc_gain: options.AdcGain = None,
    unit: options.Unit = "",
    leads: options.Leads = "",
    label: options.Label = True,
    as_recording: options.AsRecording = False,
    json: options.Json = False,
) -> None:
    """Submit recordings over HTTP, several at a time.

    A broken file does not stop the others, and makes the exit code 1. To
    resume an interrupted batch, run the same command again: the same file is
    the same ECG, with the same id, and is stored once.

    A directory stands for all recordings in it and in the directories below,
    but hidden files and links to directories. Files that are not recordings are
    passed over there, and counted in the last line.

    A file that is too large for one message (16 MiB) is sent in chunks, as a
    recording, and need not fit into memory. It needs a sampling rate. To resume
    after an interrupt, run the same command again: it sends the missing chunks.
    `ecg insights` prints the insights so far.

    Zero becomes the isoelectric line: baselines of WFDB and EDF files are
    subtracted. CSV files have a column for each lead, NumPy arrays a row or
    a column; --unit, or --baseline and --scale, say what their numbers
    mean, and --sampling-rate and --adc-gain add what a file does not state.
    Channels that are not ECG leads are left out; --leads chooses others.

    Examples:
      ecg submit recordings/100 sleep.edf
      ecg submit --wait --json recordings > insights.jsonl
      ecg submit --baseline 1024 --scale 5 holter.csv
      ecg submit --unit mV --leads ECG,II --sampling-rate 500 rest.csv
    """
    client = options.async_client(url, token, retry_for)
    finish = waiting_for_insights(client, timeout) if wait else None
    chosen = collect(files)
    calibration = options.calibration(baseline, scale, sampling_rate, adc_gain, unit, leads)

    ways = Ways(submitting(client), submitting_long(client), as_recording)

    async def run(report: Report) -> ClientError | None:
        try:
            return await send_all(
                chosen,
                calibration,
                ways,
                report,
                concurrency=concurrency,
                label=label,
                finish=finish,
            )
        finally:
            await client.close()

    run_batch(run, chosen, json)


class _Report:
    """The outcomes of a batch so far, and its progress bars: of the files, and of each that goes in chunks."""

    def __init__(self, batch: Batch, json: bool) -> None:
        self.outcomes: list[Outcome] = []
        self.passed_over = list(batch.passed_over)
        self.bars = output.progress_bar()
        self._json = json
        self._files = self.bars.add_task("sending", total=len(batch.files))
        self._long: dict[Path, TaskID] = {}

    def progress(self, outcome: Outcome) -> None:
        """Show the progress of a file that is sent in chunks."""
        if outcome.file not in self._long:
            name = output.printable(outcome.file.name)
            self._long[outcome.file] = self.bars.add_task(f"{name}, samples", total=outcome.samples)
        self.bars.update(self._long[outcome.file], completed=outcome.samples if outcome.sent is None else outcome.sent)

    def done(self, outcome: Outcome) -> None:
        """Print the outcome of a file, or keep it for the table."""
        self.bars.advance(self._files)
        if outcome.file in self._long:
            self.bars.remove_task(self._long.pop(outcome.file))
        if outcome.passed_over:
            self.passed_over.append(outcome.file)
            return
        self.outcomes.append(outcome)
        if self._json:
            output.json_line(_document(outcome))
        else:
            for note in outcome.notes:
                output.err.print(output.printable(f"{outcome.file}: {note}"))


def run_batch(run: Callable[[Report], Awaitable[ClientError | None]], batch: Batch, json: bool) -> None:
    """Run a batch with a progress bar, print the outcome of each file, and exit with 1 if any failed."""
    report = _Report(batch, json)

    async def main() -> ClientError | None:
        return await run(report)

    stopped: ClientError | None = None
    interrupted = False
    with report.bars:
        try:
            stopped = asyncio.run(main())
        except KeyboardInterrupt:
            interrupted = True
    outcomes, passed_over = report.outcomes, report.passed_over
    if not json and outcomes:
        order = {file: place for place, file in enumerate(batch.files)}
        outcomes.sort(key=lambda outcome: order[outcome.file])
        _print(outcomes)
    total = len(batch.files) + len(batch.passed_over) - len(passed_over)
    if interrupted:
        raise options.Interrupted(f"interrupted, {_stored(outcomes, total)}; the same command resumes")
    failed = sum(outcome.error is not None for outcome in outcomes)
    summary = f"{len(outcomes) - failed} of {total} files sent{_counted(passed_over)}"
    if stopped is not None:
        resumes = ", the same command resumes" if isinstance(stopped, Unavailable) else ""
        output.complain(f"{stopped}; {summary}{resumes}")
        raise typer.Exit(_FAILED)
    if failed or not total:
        output.complain(summary)
        raise typer.Exit(_FAILED)
    if batch.in_directories:
        output.err.print(output.printable(summary))


def _stored(outcomes: list[Outcome], total: int) -> str:
    in_part = sum(outcome.sent is not None for outcome in outcomes)
    stored = sum(outcome.ecg_id is not None for outcome in outcomes) - in_part
    unsure = sum(outcome.unsure for outcome in outcomes)
    more = f", and {in_part} in part" if in_part else ""
    return f"{stored} of {total} files stored{more}" + (f", and {unsure} more may be" if unsure else "")


def _counted(passed_over: list[Path]) -> str:
    """Return the number of files that are not recordings, by their suffix, or nothing."""
    if not passed_over:
        return ""
    kinds = Counter(file.suffix.lower() or "no suffix" for file in passed_over)
    ordered = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    of_each = ", ".join(f"{kind} {count:,}" for kind, count in ordered[:_MOST_KINDS])
    more = ", ..." if len(kinds) > _MOST_KINDS else ""
    return f"; {len(passed_over):,} passed over: not a recording ({of_each}{more})"


def _document(outcome: Outcome) -> dict[str, object]:
    found: dict[str, object] = {}
    if isinstance(outcome.insights, RecordingInsights):
        found = output.recording_document(outcome.insights)
    elif outcome.insights is not None:
        found = output.insights_document(outcome.insights)
    if found:
        found["insights"] = found.pop("leads")
    return {
        "file": str(outcome.file),
        "leads": outcome.leads,
        "samples": outcome.samples,
        "id": outcome.ecg_id,
        "recording": outcome.recording or None,
        "error": outcome.error,
        "field": outcome.field,
        "notes": list(outcome.notes) or None,
        **found,
    }


def _print(outcomes: list[Outcome]) -> None:
    """Print the outcomes as a table. Insights for which the terminal is too narrow stand in tables of their own."""
    table = _table(outcomes, [_insights(outcome) for outcome in outcomes])
    fits = output.fits(table)
    output.out.print(table if fits else _table(outcomes, [None for _ in outcomes]))
    for outcome in outcomes:
        if isinstance(outcome.insights, RecordingInsights):
            measurements.show_recording(outcome.insights)
        elif outcome.insights is not None and not fits:
            output.out.print(output.printable(str(outcome.file)))
            measurements.show(outcome.insights)


def _table(outcomes: list[Outcome], found: list[Insights | None]) -> Table:
    """Return a table with a row for each outcome, and the insights of each or None."""
    values = _values(found)
    summaries = [measurements.summary(each) if each else {} for each in found]
    titles = measurements.summary_titles(summaries)
    table = Table()
    table.add_column("file", overflow="fold", max_width=max(_LEAST_FILE, output.out.width - _REST))
    table.add_column("leads", justify="right")
    table.add_column("samples", justify="right")
    table.add_column("id or error", overflow="fold", min_width=output.ID_WIDTH)
    for title in values.values():
        table.add_column(title, overflow="fold")
    for title in titles.values():
        table.add_column(title, justify="right")
    for outcome, each, summary in zip(outcomes, found, summaries, strict=True):
        row = [
            output.printable(str(outcome.file)),
            "" if outcome.leads is None else f"{outcome.leads:,}",
            "" if outcome.samples is None else f"{outcome.samples:,}",
            # An ECG that was accepted but has no insights has an id and an error.
            output.printable(": ".join(filter(None, (outcome.ecg_id, outcome.error)))),
        ]
        row += [measurements.of_leads(each, name) for name in values]
        row += measurements.summary_row(summary, titles)
        table.add_row(*row, style="red" if outcome.error else None)
    return table


def _insights(outcome: Outcome) -> Insights | None:
    found = outcome.insights
    return found.as_insights if isinstance(found, RecordingInsights) else found


def _values(found: list[Insights | None]) -> dict[str, str]:
    """Return the insights of leads that are a single value, by name, with their titles."""
    return {name: title for each in found if each for name, title in measurements.values_of_leads(each).items()}
